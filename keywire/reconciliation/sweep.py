"""One step of a sweep: a page of the list, compared with the documents, and its findings on a queue.

Reconciliation and backfill go the same way, page by page; they differ in who goes on, and when.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from keywire import ids
from keywire.in_parallel import for_each
from keywire.jobs.job import ExtractionJob, Signal
from keywire.jobs.queue import JobQueue
from keywire.reconciliation.comparison import DocumentStatus, Finding, compare
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import Cursor
from keywire.telemetry import instruments
from keywire.video_indexer.errors import ThrottledError, TransientError
from keywire.video_indexer.listing import ListPage
from keywire.video_indexer.period import Period

AT_ONCE: Final = 16
# A page that fails for a moment is worth some patience: who sweeps comes back a quarter of an hour later. Not
# too much: each try may stand in line at the gate, and Azure ends a function after five minutes.
TRIES: Final = 3
LAST_TRY_SECONDS: Final = 60.0
# So many jobs of a sweep are done before those of backfill: somebody may wait for these videos. A sweep that
# finds more has an old account before it, or an outage behind it, and the videos of this moment go first.
MOST_LIVE: Final = 100

logger: Final = logging.getLogger(__name__)


class VideoList(Protocol):
    """Lists the account's videos; `keywire.video_indexer.listing.list_videos` in production."""

    async def __call__(self, *, skip: int, period: Period) -> ListPage:
        """A part of the list; raises `VideoIndexerError`."""


class StatusLookup(Protocol):
    """Tells of documents; a method of `DocumentMarks`, or what one has told."""

    async def __call__(self, video_ids: Iterable[str]) -> Mapping[str, DocumentStatus]:
        """The marks of these videos' documents, and perhaps of others."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A page that was compared: which videos it showed, what was found, and where to go on."""

    video_ids: list[str]
    findings: list[Finding]
    counts: Counts
    next: Cursor | None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The way through a list.

    Attributes:
        videos: The list.
        queue: Where the first `MOST_LIVE` jobs go.
        backlog: Where those go that come after them; the same queue where nobody waits for any.
        signal: What they say they come from.
        clock: The time now (UTC).
        sleep: Waits so many seconds.
    """

    videos: VideoList
    queue: JobQueue
    backlog: JobQueue
    signal: Signal
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def compare(self, cursor: Cursor, period: Period, marks_of: StatusLookup) -> Step:
        """Compare the page that begins at `cursor`.

        Raises:
            VideoIndexerError: There was no page, not after some patience either.
            azure.core.exceptions.AzureError: Storage failed.
        """
        page = await self._page(cursor.skip, period)
        new = cursor.new(page)
        meant = [video for video in new if period.contains(video.created)]
        if len(meant) < len(new):
            logger.info("list skip=%d outside_of_period=%d", cursor.skip, len(new) - len(meant))
        if page.unreadable:
            logger.warning("list skip=%d unreadable_entries=%d", cursor.skip, page.unreadable)
        findings = compare(meant, await marks_of(video.id for video in meant))
        found = Counts.of(finding.reason for finding in findings)
        return Step(
            video_ids=[video.id for video in new],
            findings=findings,
            counts=Counts(listed=len(meant), unreadable=page.unreadable) + found,
            next=cursor.after(page),
        )

    async def send(
        self, findings: Iterable[Finding], traceparent: str | None, *, queued_before: int = 0
    ) -> None:
        """Queue a job for each.

        Args:
            findings: What was found.
            traceparent: W3C trace context for the jobs.
            queued_before: How many this sweep has queued so far.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; some may be queued.
        """

        async def send(numbered: tuple[int, Finding]) -> None:
            number, finding = numbered
            job = ExtractionJob(
                video_id=finding.video_id,
                job_id=ids.new_job_id(),
                signal=self.signal,
                received_at=self.clock(),
                as_of=finding.as_of,
                traceparent=traceparent,
            )
            await (self.queue if number < MOST_LIVE else self.backlog).send(job)
            instruments.signals.add(1, {"kind": self.signal, "outcome": "queued"})
            if self.signal == "reconciliation":
                instruments.reconciliation_found.add(1, {"reason": finding.reason.value})
            logger.info(
                "%s video=%s job=%s reason=%s queued", self.signal, job.video_id, job.job_id, finding.reason
            )

        await for_each(enumerate(findings, queued_before), send, at_once=AT_ONCE)

    async def _page(self, skip: int, period: Period) -> ListPage:
        last_try = self.clock() + timedelta(seconds=LAST_TRY_SECONDS)
        attempt = 1
        while True:
            try:
                return await self.videos(skip=skip, period=period)
            except (ThrottledError, TransientError) as error:
                wait = error.retry_after if isinstance(error, ThrottledError) else 2.0**attempt
                if attempt == TRIES or self.clock() + timedelta(seconds=wait) > last_try:
                    raise
            await self.sleep(wait)
            attempt += 1


def known(marks: Mapping[str, DocumentStatus]) -> StatusLookup:
    """What tells of documents from `marks`, which holds all of them."""

    async def of(video_ids: Iterable[str]) -> Mapping[str, DocumentStatus]:  # noqa: ARG001 - it holds all
        return marks

    return of

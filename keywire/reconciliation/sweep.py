"""A sweep: page through Video Indexer's list, compare each page with the documents, and queue a job for each finding.

Reconciliation and backfill both sweep. A run of reconciliation continues until the list ends; a backfill queues a
message for each page.
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

CONCURRENCY: Final = 16
# A failed page is retried, because the next run comes a quarter of an hour later. The time is limited, because each
# attempt may wait at the gate, and Azure ends a function after five minutes.
ATTEMPTS: Final = 3
LAST_ATTEMPT_SECONDS: Final = 60.0
# A sweep's first jobs are live jobs, because their videos may be urgent. A sweep with more findings covers an old
# account or an outage; its further jobs go to the backlog, so that new videos do not wait for them.
MAX_LIVE_JOBS: Final = 100

logger: Final = logging.getLogger(__name__)


class VideoList(Protocol):
    """Lists the account's videos; `keywire.video_indexer.listing.list_videos` in production."""

    async def __call__(self, *, skip: int, period: Period) -> ListPage:
        """Return a page of the list, or raise a `VideoIndexerError`."""


class StatusLookup(Protocol):
    """Returns the status of documents: `DocumentMetadata.read`, or a lookup in statuses that were read before."""

    async def __call__(self, video_ids: Iterable[str]) -> Mapping[str, DocumentStatus]:
        """Return the status of these videos' documents, by video; others may be among them."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A page that was compared.

    Attributes:
        video_ids: The videos of the page that earlier pages did not show.
        findings: Those that need a job.
        counts: The page's counts.
        next: The next page; None after the last one.
    """

    video_ids: list[str]
    findings: list[Finding]
    counts: Counts
    next: Cursor | None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Compares pages and queues jobs.

    Attributes:
        videos: Video Indexer's list.
        queue: The queue of the first `MAX_LIVE_JOBS` jobs.
        backlog: The queue of further jobs; a backfill gives the same queue twice.
        signal: The signal that the jobs name.
        clock: The time now (UTC).
        sleep: Waits the given number of seconds.
    """

    videos: VideoList
    queue: JobQueue
    backlog: JobQueue
    signal: Signal
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def compare_page(self, cursor: Cursor, period: Period, lookup: StatusLookup) -> Step:
        """Compare the page that begins at `cursor`.

        Raises:
            VideoIndexerError: There was no page after several attempts.
            azure.core.exceptions.AzureError: Storage failed.
        """
        page = await self._fetch_page(cursor.skip, period)
        new = cursor.new(page)
        in_period = [video for video in new if period.contains(video.created)]
        if len(in_period) < len(new):
            logger.info("list skip=%d outside_of_period=%d", cursor.skip, len(new) - len(in_period))
        if page.unreadable:
            logger.warning("list skip=%d unreadable_entries=%d", cursor.skip, page.unreadable)
        findings = compare(in_period, await lookup(video.id for video in in_period))
        found = Counts.of(finding.reason for finding in findings)
        return Step(
            video_ids=[video.id for video in new],
            findings=findings,
            counts=Counts(listed=len(in_period), unreadable=page.unreadable) + found,
            next=cursor.after(page),
        )

    async def queue_jobs(
        self, findings: Iterable[Finding], traceparent: str | None, *, queued_before: int = 0
    ) -> None:
        """Queue a job for each finding.

        Args:
            findings: The findings.
            traceparent: W3C trace context for the jobs.
            queued_before: The number of jobs that this sweep queued before.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; some jobs may be queued.
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
            await (self.queue if number < MAX_LIVE_JOBS else self.backlog).send(job)
            instruments.signals.add(1, {"kind": self.signal, "outcome": "queued"})
            if self.signal == "reconciliation":
                instruments.reconciliation_found.add(1, {"reason": finding.reason.value})
            logger.info(
                "%s video=%s job=%s reason=%s queued", self.signal, job.video_id, job.job_id, finding.reason
            )

        await for_each(enumerate(findings, queued_before), send, concurrency=CONCURRENCY)

    async def _fetch_page(self, skip: int, period: Period) -> ListPage:
        last_attempt = self.clock() + timedelta(seconds=LAST_ATTEMPT_SECONDS)
        attempt = 1
        while True:
            try:
                return await self.videos(skip=skip, period=period)
            except (ThrottledError, TransientError) as error:
                wait = error.retry_after if isinstance(error, ThrottledError) else 2.0**attempt
                if attempt == ATTEMPTS or self.clock() + timedelta(seconds=wait) > last_attempt:
                    raise
            await self.sleep(wait)
            attempt += 1


def lookup_in(statuses: Mapping[str, DocumentStatus]) -> StatusLookup:
    """Return a lookup in `statuses`, which has all documents."""

    async def lookup(video_ids: Iterable[str]) -> Mapping[str, DocumentStatus]:  # noqa: ARG001 - it has all
        return statuses

    return lookup

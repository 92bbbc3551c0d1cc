"""Reconciliation: the signal that heals lost callbacks.

The account's list is compared with the documents, and what they don't tell of is queued. Often that of the
last day's videos, because the list can be asked for those; once a day all of it, because a video that was
indexed again, or removed, shows in no such window. It converges: what was queued and done is not found again.
What is still queued may be, and costs a look at its document.

Runs are one at a time, by a lease. Each page is noted when its jobs are queued; a run that fails, or that
takes too long, is gone on with by the next. So is one with more documents whose videos were not listed than a
run may ask about: a list that comes back short puts an account in question, and it is asked about slowly.
"""

import asyncio
import io
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from azure.core.exceptions import AzureError

from keywire.interests.status import FullRematch, InterestStatus
from keywire.reconciliation import state as reconciliation_state
from keywire.reconciliation.comparison import DocumentStatus, Finding, Reason
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.interest_drift import behind
from keywire.reconciliation.state import Failure, Progress, Result, StateFile
from keywire.reconciliation.sweep import Sweep, known
from keywire.storage import lease
from keywire.storage.layout import (
    FULL_REMATCH_BLOB,
    INTERESTS_STATUS_BLOB,
    RECONCILIATION_BLOB,
    RECONCILIATION_LISTED_BLOB,
    RECONCILIATION_LOCK_BLOB,
)
from keywire.storage.notes import Note
from keywire.telemetry import instruments
from keywire.video_indexer.errors import VideoIndexerError
from keywire.video_indexer.period import Period

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

# Below host.json's functionTimeout, over which Azure ends the whole worker.
TOTAL_SECONDS: Final = 240.0
# What half of the quota does until the next run, and some of what is left of it.
MOST_UNLISTED: Final = 500
# Documents that are looked at between two notes of how far that is.
LOOKED_AT_ONCE: Final = 500
# Documents of one rematch message, and how many a run queues.
REMATCHED_AT_ONCE: Final = 100
MOST_BEHIND: Final = 100_000

logger: Final = logging.getLogger(__name__)


class RematchVideos(Protocol):
    """Queues a rematch of some videos; in production a message on the queue `rematch`."""

    async def __call__(self, videos: Sequence[str], traceparent: str | None) -> None:
        """Queue it.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """


class Reconciliation:
    """The use case.

    Args:
        sweep: The way through the list.
        marks: What the documents' metadata tells.
        control: The container `control`, where the state and the lease are.
        rematch: Queues a rematch of some videos.
    """

    def __init__(
        self, sweep: Sweep, marks: DocumentMetadata, control: "ContainerClient", rematch: RematchVideos
    ) -> None:
        self._sweep = sweep
        self._marks = marks
        self._control = control
        self._rematch = rematch

    async def reconcile(
        self, now: datetime, *, full: bool = False, traceparent: str | None = None
    ) -> list[Result]:
        """Do the sweeps that are due at `now` (UTC); what those came to that are through.

        Nothing is done while a run is under way elsewhere.

        Args:
            now: The time.
            full: Compare the whole account also where that is not due.
            traceparent: W3C trace context for the jobs.

        Raises:
            VideoIndexerError: A page was not to be had; the next run goes on with it.
            azure.core.exceptions.AzureError: Storage failed; the same.
        """
        async with lease.held(self._control.get_blob_client(RECONCILIATION_LOCK_BLOB)) as ours:
            if not ours:
                logger.info("reconciliation is under way elsewhere")
                return []
            file = StateFile(self._control.get_blob_client(RECONCILIATION_BLOB))
            await file.read()
            run = _Run(self._sweep, self._marks, self._control, file, now, traceparent, self._rematch)
            state = reconciliation_state.begun(file.state, now, full=full)
            try:
                async with asyncio.timeout(TOTAL_SECONDS):
                    for progress in (state.window, state.full):
                        if progress is not None:
                            await run.do(progress)
                instruments.reconciliation_runs.add(1, {"outcome": "succeeded"})
            except TimeoutError:
                logger.warning("reconciliation took over %.0f s and is gone on with later", TOTAL_SECONDS)
                if not run.got_on:
                    # Gone on with, it would come just as far.
                    instruments.reconciliation_runs.add(1, {"outcome": "failed"})
                    await run.note_failure(TimeoutError(f"not one page in {TOTAL_SECONDS:.0f} s"))
            except (AzureError, VideoIndexerError) as error:
                instruments.reconciliation_runs.add(1, {"outcome": "failed"})
                await run.note_failure(error)
                raise
            return run.results


class _Run:
    """One run, its lease held."""

    def __init__(
        self,
        sweep: Sweep,
        marks: DocumentMetadata,
        control: "ContainerClient",
        file: StateFile,
        now: datetime,
        traceparent: str | None,
        rematch: RematchVideos,
    ) -> None:
        self._sweep = sweep
        self._marks = marks
        self._rematch = rematch
        self._interests = Note(control.get_blob_client(INTERESTS_STATUS_BLOB), InterestStatus)
        self._full_rematch = Note(control.get_blob_client(FULL_REMATCH_BLOB), FullRematch)
        self._listed = control.get_blob_client(RECONCILIATION_LISTED_BLOB)
        self._file = file
        self._now = now
        self._traceparent = traceparent
        self.results: list[Result] = []
        self.got_on = False

    async def do(self, progress: Progress) -> None:
        """Go on with a sweep until it is through."""
        began = time.perf_counter() - progress.seconds
        everything = await self._marks.all() if progress.is_full else {}
        marks_of = known(everything) if progress.is_full else self._marks.of
        if progress.is_full and progress.pages == 0:
            await self._listed.create_append_blob()
        while progress.cursor is not None:
            step = await self._sweep.compare(progress.cursor, Period(after=progress.since), marks_of)
            await self._send(step.findings, progress)
            if progress.is_full and step.video_ids:
                await self._listed.append_block(
                    "".join(f"{video_id}\n" for video_id in step.video_ids).encode()
                )
            progress = msgspec.structs.replace(
                progress,
                cursor=step.next,
                counts=progress.counts + step.counts,
                pages=progress.pages + 1,
                seconds=time.perf_counter() - began,
            )
            await self._advance(progress)
        rest: list[str] = []
        if progress.is_full:
            await self._rematch_behind(everything)
            progress, rest = await self._ask_about_unlisted(everything, progress, began)
        if rest:
            await self._file.write(msgspec.structs.replace(self._file.state, failure=None))
            logger.info("reconciliation unlisted=%d and more, for the next run", progress.counts.unlisted)
        else:
            await self._end(progress)

    async def _rematch_behind(self, statuses: Mapping[str, DocumentStatus]) -> None:
        """Queue a rematch of documents that were matched with other interests than they should have been."""
        interests = await self._interests.read()
        if interests is None or interests.stamp is None or interests.modified_at is None:
            return
        full = await self._full_rematch.read()
        videos = behind(
            statuses,
            stamp=interests.stamp,
            modified_at=interests.modified_at,
            full_rematch=full.interests_stamp if full else None,
        )
        for some in batched(videos[:MOST_BEHIND], REMATCHED_AT_ONCE, strict=False):
            await self._rematch(some, self._traceparent)
        if videos:
            logger.info("reconciliation behind=%d documents, rematch queued", len(videos))

    async def note_failure(self, error: Exception) -> None:
        """Note why the run did not get through, where that can be noted at all."""
        failure = Failure(at=self._sweep.clock(), error=f"{type(error).__name__}: {error}"[:500])
        try:
            await self._file.write(msgspec.structs.replace(self._file.state, failure=failure))
        except AzureError as another:
            logger.warning("reconciliation's failure was not noted: %s", type(another).__name__)

    async def _send(self, findings: list[Finding], progress: Progress) -> None:
        await self._sweep.send(findings, self._traceparent, queued_before=progress.counts.found)

    async def _ask_about_unlisted(
        self, marks: dict[str, DocumentStatus], progress: Progress, began: float
    ) -> tuple[Progress, list[str]]:
        """Queue the videos that the list did not show: a question, which only extraction answers.

        Returns how far that is, and which documents are left to be looked at by the next run.
        """
        unlisted = await self._unlisted(marks, progress)
        room = MOST_UNLISTED
        for some in batched(unlisted, LOOKED_AT_ONCE, strict=False):
            tombstones = await self._marks.tombstones(
                video_id for video_id in some if marks[video_id].published
            )
            open_ones = [video_id for video_id in some if video_id not in tombstones]
            asked = open_ones[:room]
            await self._send(
                [Finding(video_id=video_id, reason=Reason.UNLISTED, as_of=None) for video_id in asked],
                progress,
            )
            room -= len(asked)
            progress = msgspec.structs.replace(
                progress,
                looked_at=some[-1] if asked == open_ones else asked[-1],
                counts=progress.counts + Counts(unlisted=len(asked)),
                seconds=time.perf_counter() - began,
            )
            await self._advance(progress)
            if room == 0:
                break
        return progress, [video_id for video_id in unlisted if video_id > progress.looked_at]

    async def _unlisted(self, marks: dict[str, DocumentStatus], progress: Progress) -> list[str]:
        """The documents whose videos the list did not show, without those that were looked at.

        Those written since the sweep began may be of videos that are newer than it. From `marks` the listed
        ones are taken away: an account's worth of them is not needed twice.
        """
        listed = await (await self._listed.download_blob()).readall()
        for line in io.BytesIO(listed):
            marks.pop(line.decode().rstrip(), None)
        return sorted(
            video_id
            for video_id, mark in marks.items()
            if video_id > progress.looked_at and mark.written < progress.started.timestamp()
        )

    async def _advance(self, progress: Progress) -> None:
        await self._file.write(reconciliation_state.advanced(self._file.state, progress))
        self.got_on = True

    async def _end(self, progress: Progress) -> None:
        result = Result.of(progress, ended=self._sweep.clock())
        state = reconciliation_state.ended(self._file.state, progress, result, run_at=self._now)
        await self._file.write(msgspec.structs.replace(state, failure=None))
        self.results.append(result)
        logger.info(
            "reconciliation sweep=%s listed=%d queued=%d missing=%d unpublished=%d outdated=%d unlisted=%d "
            "unreadable=%d pages=%d seconds=%.1f",
            result.sweep,
            result.listed,
            result.queued,
            result.missing,
            result.unpublished,
            result.outdated,
            result.unlisted,
            result.unreadable,
            result.pages,
            result.seconds,
        )

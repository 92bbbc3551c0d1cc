"""Reconciliation: a timer compares Video Indexer's list with the documents and queues jobs for lost signals.

Each run sweeps a window: the videos of the last day, which is all that the list can be filtered by. Once a day a run
sweeps the whole account, because videos that were indexed again or removed are in no window. Sweeps converge: a video
whose job has ended is not found again.

A lease allows one run at a time. A run saves its progress after each page, and the next run continues what failed or
took too long. A document whose video was not listed is a question for extraction. A run asks a limited number of them,
because a list that comes back short would put the whole account in question.
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
from keywire.reconciliation import state as states
from keywire.reconciliation.comparison import DocumentStatus, Finding, Reason
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.interest_drift import behind
from keywire.reconciliation.state import Failure, Progress, Result, StateFile
from keywire.reconciliation.sweep import Sweep, lookup_in
from keywire.storage import lease
from keywire.storage.layout import (
    FULL_REMATCH_BLOB,
    INTERESTS_STATUS_BLOB,
    RECONCILIATION_BLOB,
    RECONCILIATION_LISTED_BLOB,
    RECONCILIATION_LOCK_BLOB,
)
from keywire.storage.notes import Note
from keywire.storage.swap import ConflictError
from keywire.telemetry import instruments
from keywire.video_indexer.errors import VideoIndexerError
from keywire.video_indexer.period import Period

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

# Below host.json's functionTimeout; after that the host ends the worker process.
TOTAL_SECONDS: Final = 240.0
# Jobs for unlisted videos per run. Half of the quota does 900 in the quarter of an hour between two runs.
MAX_UNLISTED: Final = 500
# Unlisted documents that are checked between two writes of the state.
UNLISTED_BATCH: Final = 500
# Documents of one rematch message, and documents that one run queues for a rematch.
REMATCH_BATCH: Final = 100
MAX_REMATCHED: Final = 100_000

logger: Final = logging.getLogger(__name__)


class RematchVideos(Protocol):
    """Queues a rematch of some videos; in production a message on the queue `rematch`."""

    async def __call__(self, videos: Sequence[str], traceparent: str | None) -> None:
        """Queue one rematch message for these videos.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """


class Reconciliation:
    """Runs the sweeps that are due, in one run at a time among all instances.

    Args:
        sweep: Compares pages and queues jobs.
        documents: Reads the status of documents.
        control: The container `control`, which has the state and the lease.
        rematch: Queues a rematch of some videos.
    """

    def __init__(
        self, sweep: Sweep, documents: DocumentMetadata, control: "ContainerClient", rematch: RematchVideos
    ) -> None:
        self._sweep = sweep
        self._documents = documents
        self._control = control
        self._rematch = rematch

    async def reconcile(
        self, now: datetime, *, full: bool = False, traceparent: str | None = None
    ) -> list[Result]:
        """Sweep what is due at `now`, and return the results of completed sweeps.

        Does nothing while another instance reconciles.

        Args:
            now: The time (UTC).
            full: Sweep the whole account even if that is not due.
            traceparent: W3C trace context for the jobs.

        Raises:
            VideoIndexerError: A page could not be fetched; the next run continues there.
            azure.core.exceptions.AzureError: Storage failed; the next run continues there.
            ConflictError: This run lost its lease, and another run wrote the state.
        """
        async with lease.try_acquire(self._control.get_blob_client(RECONCILIATION_LOCK_BLOB)) as acquired:
            if not acquired:
                logger.info("reconciliation skipped: another instance holds the lease")
                return []
            file = StateFile(self._control.get_blob_client(RECONCILIATION_BLOB))
            await file.read()
            run = _Run(self._sweep, self._documents, self._control, file, now, traceparent, self._rematch)
            state = states.with_due_sweeps(file.state, now, full=full)
            try:
                async with asyncio.timeout(TOTAL_SECONDS):
                    for progress in (state.window, state.full):
                        if progress is not None:
                            await run.sweep(progress)
                instruments.reconciliation_runs.add(1, {"outcome": "succeeded"})
            except TimeoutError:
                logger.warning("reconciliation stopped after %.0f s, the next run continues", TOTAL_SECONDS)
                if not run.has_advanced:
                    # The next run would not get any further.
                    instruments.reconciliation_runs.add(1, {"outcome": "failed"})
                    await run.save_failure(TimeoutError(f"not one page in {TOTAL_SECONDS:.0f} s"))
            except (AzureError, ConflictError, VideoIndexerError) as error:
                instruments.reconciliation_runs.add(1, {"outcome": "failed"})
                await run.save_failure(error)
                raise
            return run.results


class _Run:
    """One run, which holds the lease.

    Attributes:
        results: The results of completed sweeps.
        has_advanced: Whether any progress was saved.
    """

    def __init__(
        self,
        sweep: Sweep,
        documents: DocumentMetadata,
        control: "ContainerClient",
        file: StateFile,
        now: datetime,
        traceparent: str | None,
        rematch: RematchVideos,
    ) -> None:
        self._sweep = sweep
        self._documents = documents
        self._rematch = rematch
        self._interests = Note(control.get_blob_client(INTERESTS_STATUS_BLOB), InterestStatus)
        self._full_rematch = Note(control.get_blob_client(FULL_REMATCH_BLOB), FullRematch)
        self._listed = control.get_blob_client(RECONCILIATION_LISTED_BLOB)
        self._file = file
        self._now = now
        self._traceparent = traceparent
        self.results: list[Result] = []
        self.has_advanced = False

    async def sweep(self, progress: Progress) -> None:
        """Continue a sweep to its end, or as far as this run may."""
        began = time.perf_counter() - progress.seconds
        statuses = await self._documents.read_all() if progress.is_full else {}
        lookup = lookup_in(statuses) if progress.is_full else self._documents.read
        if progress.is_full and progress.pages == 0:
            await self._listed.create_append_blob()
        while progress.cursor is not None:
            step = await self._sweep.compare_page(progress.cursor, Period(after=progress.since), lookup)
            await self._queue_jobs(step.findings, progress)
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
            await self._save(progress)
        rest: list[str] = []
        if progress.is_full:
            await self._rematch_behind(statuses)
            progress, rest = await self._queue_unlisted(statuses, progress, began)
        if rest:
            await self._file.write(msgspec.structs.replace(self._file.state, failure=None))
            logger.info(
                "reconciliation sweep=full unlisted=%d unchecked_documents=%d, the next run continues",
                progress.counts.unlisted,
                len(rest),
            )
        else:
            await self._complete(progress)

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
        for batch in batched(videos[:MAX_REMATCHED], REMATCH_BATCH, strict=False):
            await self._rematch(batch, self._traceparent)
        if videos:
            logger.info("reconciliation behind=%d documents, rematch queued", len(videos))

    async def save_failure(self, error: Exception) -> None:
        """Write why the run failed, or log a warning if that fails as well."""
        failure = Failure(at=self._sweep.clock(), error=f"{type(error).__name__}: {error}"[:500])
        try:
            await self._file.write(msgspec.structs.replace(self._file.state, failure=failure))
        except (AzureError, ConflictError) as another:
            logger.warning("reconciliation's failure was not saved: %s", type(another).__name__)

    async def _queue_jobs(self, findings: list[Finding], progress: Progress) -> None:
        await self._sweep.queue_jobs(findings, self._traceparent, queued_before=progress.counts.found)

    async def _queue_unlisted(
        self, statuses: dict[str, DocumentStatus], progress: Progress, began: float
    ) -> tuple[Progress, list[str]]:
        """Queue jobs for documents whose videos were not listed; extraction finds out if they were removed.

        Returns:
            The progress, and the documents that the next run has to check.
        """
        unlisted = await self._find_unlisted(statuses, progress)
        room = MAX_UNLISTED
        for batch in batched(unlisted, UNLISTED_BATCH, strict=False):
            tombstones = await self._documents.tombstones(
                video_id for video_id in batch if statuses[video_id].published
            )
            candidates = [video_id for video_id in batch if video_id not in tombstones]
            queued = candidates[:room]
            await self._queue_jobs(
                [Finding(video_id=video_id, reason=Reason.UNLISTED, as_of=None) for video_id in queued],
                progress,
            )
            room -= len(queued)
            progress = msgspec.structs.replace(
                progress,
                looked_at=batch[-1] if queued == candidates else queued[-1],
                counts=progress.counts + Counts(unlisted=len(queued)),
                seconds=time.perf_counter() - began,
            )
            await self._save(progress)
            if room == 0:
                break
        return progress, [video_id for video_id in unlisted if video_id > progress.looked_at]

    async def _find_unlisted(self, statuses: dict[str, DocumentStatus], progress: Progress) -> list[str]:
        """Return the documents whose videos were not listed, without those that were checked before.

        A document that was written since the sweep began may belong to a newer video, so it is left out. Listed videos
        are removed from `statuses`, which may be large, instead of from a copy.
        """
        listed = await (await self._listed.download_blob()).readall()
        for line in io.BytesIO(listed):
            statuses.pop(line.decode().rstrip(), None)
        return sorted(
            video_id
            for video_id, status in statuses.items()
            if video_id > progress.looked_at and status.written < progress.started.timestamp()
        )

    async def _save(self, progress: Progress) -> None:
        await self._file.write(states.with_progress(self._file.state, progress))
        self.has_advanced = True

    async def _complete(self, progress: Progress) -> None:
        result = Result.of(progress, ended=self._sweep.clock())
        state = states.with_result(self._file.state, progress, result, run_at=self._now)
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

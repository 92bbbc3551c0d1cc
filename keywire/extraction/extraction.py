"""Extraction: from a job to a published version of a video.

Any number of jobs for one video may run at once, on several instances, and each may be killed at any point:

1. read the current document before asking Video Indexer, and send its edition if that was not sent;
2. end if the document already answers for the moment that the job is about;
3. fetch the index. The same content as before: advance that moment, end;
4. write the version and its edition, and send it (see `keywire.versions.outbox`).

A job that loses a race starts again and asks Video Indexer again, so that stale data never wins.

If `ERASE_REMOVED` is set, the history of a removed video is erased once its tombstone was sent. Every further job of
the video makes sure of it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from keywire.documents import document as documents
from keywire.documents.content import FAILED_STATES, PROCESSED, REMOVED, Content, hash_of, read_content
from keywire.documents.document import KeywordDocument
from keywire.jobs.job import ExtractionJob
from keywire.storage.swap import ConflictError
from keywire.telemetry import instruments
from keywire.versions.current import Current
from keywire.versions.outbox import Base, Outbox
from keywire.versions.status import NEVER
from keywire.video_indexer import index
from keywire.video_indexer.errors import (
    VIDEO_REMOVED,
    GoneError,
    NotReadyError,
    TransientError,
    UnusableError,
)
from keywire.video_indexer.service_time import ServiceTime

# A job that loses more races than this has another problem.
MAX_ROUNDS: Final = 20

_UNFINISHED: Final = frozenset({"Uploaded", "Processing"})

logger: Final = logging.getLogger(__name__)


class Outcome(StrEnum):
    """How a job ended."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    ANSWERED = "already answered"
    NEVER_WAS = "never was"


class IndexSource(Protocol):
    """The source of indexes; `keywire.video_indexer.client.VideoIndexerClient` in production."""

    async def get_index(self, video_id: str) -> bytes:
        """Return a video's index as JSON, whatever the video's state.

        Raises:
            VideoIndexerError: There is none, or not now.
        """


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """The use case.

    Attributes:
        source: Where indexes come from.
        outbox: Where versions go.
        account_id: The Video Indexer account (GUID).
        erase_removed: Whether the history of removed videos is erased.
        service_time: Returns a moment on Video Indexer's clock that had surely passed at one on ours.
        clock: The time now (UTC).
    """

    source: IndexSource
    outbox: Outbox
    account_id: str
    erase_removed: bool = False
    service_time: Callable[[datetime], datetime] = ServiceTime().passed_at
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def extract(self, job: ExtractionJob) -> Outcome:
        """Do a job. Whatever it raises, the job can be done again.

        Raises:
            VideoIndexerError: Video Indexer gave no usable index of a finished video, or other jobs kept changing
                the document.
            azure.core.exceptions.AzureError: Storage failed.
        """
        lost: list[KeywordDocument] = []
        for _ in range(MAX_ROUNDS):
            try:
                current = await self.outbox.read(job.video_id)
                if current:
                    lost = await self._discard_losers(lost, current.document)
                outcome, current = await self._extract(job, current, lost)
            except ConflictError:
                logger.info("video=%s job=%s lost a race, starting again", job.video_id, job.job_id)
                continue
            if current:
                await self._discard_losers(lost, current.document)
            await self._finish(job, outcome, current)
            return outcome
        raise TransientError(f"video {job.video_id} was changed by other jobs {MAX_ROUNDS} times in a row")

    async def _extract(
        self, job: ExtractionJob, current: Current | None, lost: list[KeywordDocument]
    ) -> tuple[Outcome, Current | None]:
        """Return the outcome of one round, and the document after it. A version that it writes is noted in `lost`."""
        if current and job.as_of and job.as_of <= current.status.as_of:
            return Outcome.ANSWERED, current
        asked_at = self.clock()
        content, failure_message = await self._fetch_content(job)
        base = None if current else await self.outbox.base(job.video_id, current)
        # A tombstone in history proves nothing: its job may have died before anybody was told.
        if base and content is REMOVED and base.newest is None:
            return Outcome.NEVER_WAS, None
        # A callback names no moment: its answer is as new as Video Indexer was when it was asked.
        as_of = max(job.as_of or self.service_time(asked_at), current.status.as_of if current else NEVER)
        if current and _is_same(content, job.reference, current.document):
            if job.signal == "replay":
                await self.outbox.resend(current, job.destination)
            await self.outbox.advance(current, as_of)
            return Outcome.UNCHANGED, current
        base = base or await self.outbox.base(job.video_id, current)
        previous, version = await self._predecessor(content, current, base)
        document = documents.build(
            content,
            account_id=self.account_id,
            video_id=job.video_id,
            version=version,
            previous=previous,
            failure_message=failure_message,
            extracted_at=asked_at,
            reference=job.reference,
        )
        lost.append(document)
        current = await self.outbox.add_version(
            document, current, base, previous=previous, as_of=as_of, traceparent=job.traceparent
        )
        if job.reference and current.document.reference != job.reference:
            # The version that a crashed job left behind has another reference; the next round writes ours.
            raise ConflictError(job.video_id)
        self._count_version(job, current.document)
        return Outcome.PUBLISHED, current

    async def _predecessor(
        self, content: Content, current: Current | None, base: Base
    ) -> tuple[KeywordDocument | None, int]:
        """Return the version before the one to write, and the number of the one to write."""
        if current is not None:
            return current.document, base.next_version
        newest = base.newest
        if newest is not None and hash_of(content) == newest.content_hash:
            # The current document was lost, or a job crashed before it wrote one. The version exists and is told first,
            # whatever its reference is.
            return await self.outbox.version_before(newest), newest.version
        return newest, base.next_version

    async def _finish(self, job: ExtractionJob, outcome: Outcome, current: Current | None) -> None:
        state = current.document.state if current else REMOVED.state
        if current and self.erase_removed and state == REMOVED.state:
            erased = await self.outbox.erase(current)
            logger.info("video=%s job=%s erased=%d files of its history", job.video_id, job.job_id, erased)
        instruments.extractions.add(1, {"signal": job.signal, "outcome": outcome.value, "state": state})
        logger.info(
            "video=%s job=%s signal=%s outcome=%s version=%d state=%s keywords=%d",
            job.video_id,
            job.job_id,
            job.signal,
            outcome,
            current.document.version if current else 0,
            state,
            len(current.document.keywords) if current else 0,
        )

    def _count_version(self, job: ExtractionJob, document: KeywordDocument) -> None:
        since = job.as_of or job.received_at
        lag = (self.clock() - since).total_seconds()
        instruments.publish_lag.record(max(0.0, lag), {"signal": job.signal})
        # No callback announces a removal.
        if job.signal == "reconciliation" and document.state != REMOVED.state:
            instruments.callbacks_missed.add(1)

    async def _fetch_content(self, job: ExtractionJob) -> tuple[Content, str | None]:
        """Return what Video Indexer says of the video, and its failure message if it failed."""
        video_id = job.video_id
        try:
            answer = index.parse(await self.source.get_index(video_id))
        except GoneError as error:
            if _is_removed(error, job):
                return REMOVED, None
            raise
        if answer.id not in {None, video_id}:
            raise UnusableError(f"the answer for video {video_id} is about another one")
        if answer.state in _UNFINISHED:
            raise NotReadyError(f"video {video_id} is {answer.state}")
        if answer.state != PROCESSED and answer.state not in FAILED_STATES:
            raise UnusableError(f"video {video_id} is in a state that is not known")
        content = read_content(answer)
        if content.unreadable_keywords:
            logger.warning("video=%s unreadable_keywords=%d left out", video_id, content.unreadable_keywords)
        return content, answer.videos[0].failure_message

    async def _discard_losers(
        self, lost: Sequence[KeywordDocument], current: KeywordDocument
    ) -> list[KeywordDocument]:
        """Delete versions that lost a race once another version has their number.

        Returns those whose number is still free. A version that is more than one behind the current one may have
        been the current one meanwhile, so it stays; `previousHash` leads through the true history.
        """
        undecided = []
        for document in lost:
            if current.version < document.version:
                undecided.append(document)
                continue
            same_place = current.content_hash if current.version == document.version else None
            one_before = current.previous_hash if current.version == document.version + 1 else None
            winner = same_place or one_before
            if winner is not None and winner != document.content_hash:
                await self.outbox.history.discard_version(document)
        return undecided


def _is_same(content: Content, reference: str | None, document: KeywordDocument) -> bool:
    """Return whether a document says the content already; a new reference is news."""
    return hash_of(content) == document.content_hash and reference in {None, document.reference}


def _is_removed(error: GoneError, job: ExtractionJob) -> bool:
    """Return whether the video is gone: Video Indexer says so, or did not find it twice in a row."""
    return error.code.upper() == VIDEO_REMOVED or job.not_found > 0

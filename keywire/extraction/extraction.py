"""Extraction: from a job to a published version, in an order that survives a crash at any point.

Any number of jobs for one video may run at once, here or on other instances:

1. read the current document before asking Video Indexer;
2. publish its version if that has not happened: a version is published before the next is written;
3. end if the document already answers for the moment that the job speaks of;
4. ask Video Indexer (a video that it removed becomes a tombstone); if it says the same as before, note up
   to when and end (always noted, though nothing may have changed: the new ETag is what a slower job with an
   older answer fails on);
5. write the version and its events, each only if it does not exist (otherwise go on with what lies
   there), then replace the current document against the ETag of step 1;
6. send the stored events to every destination;
7. mark the version published.

Who loses the race of step 5 starts again and asks again, so stale answers never win.

Where that is wanted, what a removed video's history holds of its keywords is erased once its tombstone is
published; every further job of the video makes sure of it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from keywire.destinations.destinations import Destinations
from keywire.documents import document as documents
from keywire.documents.content import FAILED_STATES, PROCESSED, REMOVED, Content, hash_of, read_content
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.envelope import Origin
from keywire.events.interests import ActiveMatch
from keywire.interests.source import InterestSource
from keywire.jobs.job import ExtractionJob
from keywire.telemetry import instruments
from keywire.versions import outbox
from keywire.versions.store import ConflictError, DocumentStore, PublicationStatus, Stored
from keywire.video_indexer import index
from keywire.video_indexer.errors import (
    VIDEO_REMOVED,
    GoneError,
    NotReadyError,
    TransientError,
    UnusableError,
)
from keywire.video_indexer.service_time import ServiceTime

# More lost races than this in one job mean that something else is wrong; the queue tries again.
MAX_ROUNDS: Final = 20
# Below host.json's functionTimeout, over which Azure ends the whole worker with all its other jobs.
TOTAL_SECONDS: Final = 240.0

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_UNFINISHED: Final = frozenset({"Uploaded", "Processing"})

logger: Final = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What a job came to."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    ANSWERED = "already answered"
    NEVER_WAS = "never was"


class IndexSource(Protocol):
    """Who knows the index of a video; `keywire.video_indexer.VideoIndexerClient` in production."""

    async def get_index(self, video_id: str) -> bytes:
        """The index as JSON, whatever the video's state; raises `VideoIndexerError`."""


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """The use case with what it needs.

    Attributes:
        source: Where indexes come from.
        store: Where documents go.
        destinations: Where events go.
        interests: What customers care about.
        account_id: The Video Indexer account (GUID).
        event_source: Its ARM resource id.
        erase_removed: Whether the keywords of removed videos are erased from history.
        service_time: A moment on Video Indexer's clock that had surely passed at one on ours.
        clock: The time now (UTC).
    """

    source: IndexSource
    store: DocumentStore
    destinations: Destinations
    interests: InterestSource
    account_id: str
    event_source: str
    erase_removed: bool = False
    service_time: Callable[[datetime], datetime] = ServiceTime().passed_at
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def extract(self, job: ExtractionJob) -> Outcome:
        """Do a job.

        Raises:
            TransientError: It took too long.
            VideoIndexerError: Video Indexer gave no usable index of a finished video.
            ConflictError: Others kept changing the document.
            azure.core.exceptions.AzureError: Storage failed. Whatever is raised, the job can be done again.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._extract(job)
        except TimeoutError as error:
            raise TransientError(f"video {job.video_id} took over {TOTAL_SECONDS:.0f} s") from error

    async def _extract(self, job: ExtractionJob) -> Outcome:
        lost: list[KeywordDocument] = []
        for _ in range(MAX_ROUNDS):
            current = await self.store.read(job.video_id)
            if current:
                lost = await self._clear(lost, current.document)
            try:
                current = await self._publish(current)
                if current and job.as_of and job.as_of <= current.as_of:
                    return await self._end(job, Outcome.ANSWERED, current.document)
                asked_at = self.clock()
                content, failure_message = await self._ask(job)
                if current is None and content is REMOVED:
                    logger.info("video=%s job=%s never was here", job.video_id, job.job_id)
                    _count_end(job, Outcome.NEVER_WAS, content.state)
                    return Outcome.NEVER_WAS
                # A callback names no moment: what is answered now is as new as Video Indexer was when asked.
                as_of = max(job.as_of or self.service_time(asked_at), current.as_of if current else _NEVER)
                if current and hash_of(content) == current.document.content_hash:
                    if job.signal == "replay":
                        # Its rematches included: whoever lost events gets them all once more.
                        await outbox.resend(self.store, self.destinations, current.document)
                    await self._advance(current, as_of)
                    return await self._end(job, Outcome.UNCHANGED, current.document)
                document = documents.build(
                    content,
                    account_id=self.account_id,
                    video_id=job.video_id,
                    previous=current.document if current else None,
                    failure_message=failure_message,
                    extracted_at=asked_at,
                    reference=job.reference,
                )
                lost.append(document)
                await self._write(document, current, as_of, job.traceparent)
            except ConflictError:
                logger.info("video=%s job=%s changed meanwhile, starting again", job.video_id, job.job_id)
                continue
            await self._clear(lost, document)
            self._count(job, document)
            return await self._end(job, Outcome.PUBLISHED, document)
        raise ConflictError(f"video {job.video_id} was changed by others {MAX_ROUNDS} times in a row")

    async def _end(self, job: ExtractionJob, outcome: Outcome, document: KeywordDocument) -> Outcome:
        if self.erase_removed and document.state == REMOVED.state:
            erased = await self.store.erase_before(document)
            logger.info("video=%s job=%s erased=%d files of its history", job.video_id, job.job_id, erased)
        return _ended(job, outcome, document)

    def _count(self, job: ExtractionJob, document: KeywordDocument) -> None:
        since = job.as_of or job.received_at
        lag = (self.clock() - since).total_seconds()
        instruments.publish_lag.record(max(0.0, lag), {"signal": job.signal})
        # A removal has no callback that could be missed.
        if job.signal == "reconciliation" and document.state != REMOVED.state:
            instruments.callbacks_missed.add(1)

    async def _ask(self, job: ExtractionJob) -> tuple[Content, str | None]:
        """Step 4: what Video Indexer says of the video, and in what words it failed, if it did."""
        video_id = job.video_id
        try:
            answer = index.parse(await self.source.get_index(video_id))
        except GoneError as error:
            if _is_certain(error, job):
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

    async def _write(
        self, document: KeywordDocument, current: Stored | None, as_of: datetime, traceparent: str | None
    ) -> None:
        """Steps 5 to 7."""
        body, url = await self.store.create_version(document)
        stored = documents.decode(body)
        previous = current.document if current else None
        origin = Origin(source=self.event_source, body=body, url=url, traceparent=traceparent)
        built = envelope.events_of(
            stored,
            origin,
            previous=previous,
            matches=(await self.interests.matcher()).match(stored),
            before=await self._active(previous),
        )
        lines = await self.store.create_events(stored, envelope.join(built))
        marks = PublicationStatus(
            version=stored.version, published_version=previous.version if previous else 0, as_of=as_of
        )
        etag = await self.store.replace(stored.video_id, body, marks, current.etag if current else None)
        await self.destinations.publish(envelope.split(lines))
        try:
            await self._mark_published(Stored(document=stored, etag=etag, published=False, as_of=as_of))
        except ConflictError:
            # Any job that changed the document since has published this version first (step 2).
            logger.info("video=%s version=%d was marked by another job", stored.video_id, stored.version)

    async def published(self, video_id: str) -> Stored | None:
        """The current document, its version published; None where there is no document."""
        return await self._publish(await self.store.read(video_id))

    async def touch(self, current: Stored) -> None:
        """Give the document a new ETag: who read it before and would write it now starts again.

        Raises:
            ConflictError: Somebody else wrote it.
        """
        await self._mark_published(current)

    async def _publish(self, current: Stored | None) -> Stored | None:
        """Step 2."""
        if current is None or current.published:
            return current
        own = self.store.own_events(current.document)
        await self.destinations.publish(envelope.split(await self.store.read_list(own)))
        return await self._mark_published(current)

    async def _active(self, previous: KeywordDocument | None) -> dict[str, ActiveMatch]:
        if previous is None:
            return {}
        return (await outbox.told_of(self.store, self.destinations, previous)).active

    async def _mark_published(self, current: Stored) -> Stored:
        version = current.document.version
        marks = PublicationStatus(version=version, published_version=version, as_of=current.as_of)
        etag = await self.store.mark(current.document.video_id, marks, current.etag)
        return replace(current, etag=etag, published=True)

    async def _advance(self, current: Stored, as_of: datetime) -> None:
        """Note that the document answers for `as_of`; many jobs that found nothing new may do so at once."""
        document = current.document
        while True:
            try:
                marks = PublicationStatus(
                    version=document.version,
                    published_version=document.version,
                    as_of=max(as_of, current.as_of),
                )
                await self.store.mark(document.video_id, marks, current.etag)
            except ConflictError:
                again = await self.store.read(document.video_id)
                if again is None or again.document.version != document.version or not again.published:
                    raise
                current = again
            else:
                return

    async def _clear(
        self, lost: Sequence[KeywordDocument], current: KeywordDocument
    ) -> list[KeywordDocument]:
        """Take away versions that lost a race once their number is another's: history shows what was.

        Returns those whose number is not taken yet. Of one that was left behind by more than one version it
        can't be told here whether another job made it the current one, so it stays; `previousHash` tells.
        """
        open_still = []
        for document in lost:
            if current.version < document.version:
                open_still.append(document)
                continue
            same_place = current.content_hash if current.version == document.version else None
            one_before = current.previous_hash if current.version == document.version + 1 else None
            winner = same_place or one_before
            if winner is not None and winner != document.content_hash:
                await self.store.remove_version(document)
        return open_still


def _is_certain(error: GoneError, job: ExtractionJob) -> bool:
    """Whether the video is gone: by Video Indexer's own word, or because it is not found a second time."""
    return error.code.upper() == VIDEO_REMOVED or job.attempts > 0


def _count_end(job: ExtractionJob, outcome: Outcome, state: str) -> None:
    instruments.extractions.add(1, {"signal": job.signal, "outcome": outcome.value, "state": state})


def _ended(job: ExtractionJob, outcome: Outcome, document: KeywordDocument) -> Outcome:
    _count_end(job, outcome, document.state)
    logger.info(
        "video=%s job=%s signal=%s outcome=%s version=%d state=%s keywords=%d",
        job.video_id,
        job.job_id,
        job.signal,
        outcome,
        document.version,
        document.state,
        len(document.keywords),
    )
    return outcome

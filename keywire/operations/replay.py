"""Replay: run jobs again for videos that an operator names, or for messages on a poison queue.

A replayed job asks Video Indexer like any other. If nothing is new it sends the stored events again: the same bytes,
which consumers that have them ignore. A page of an operation or a delivery goes back to its queue. Each replay is noted
in `control/replays/`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment
from keywire.destinations import delivery
from keywire.ids import VideoId, new_job_id
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.job import ExtractionJob
from keywire.jobs.message import Deferrable, InvalidMessageError, without_failures
from keywire.jobs.queue import MessageQueue
from keywire.operations import backfill_orders, rematch_orders
from keywire.signals import indexing_log
from keywire.storage import layout
from keywire.versions.current import video_id_of
from keywire.versions.status import NEVER, read_status

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient

MAX_VIDEOS: Final = 1000
# One request replays about this many; `more` says that there is more, and `cursor` where the next request continues.
MAX_JOBS: Final = 2000
# Documents that are listed between two looks at that limit.
PAGE_DOCUMENTS: Final = 1000
# How long messages of a poison queue are invisible to others while they are replayed.
HOLD_SECONDS: Final = 120

type PoisonedQueue = Literal[
    "extraction", "backfill", "diagnostics", "rematch", "backfill-pages", "deliver-event-grid"
]
type DestinationName = Literal["queue", "event-grid"]
_DECODE: Final[Mapping[PoisonedQueue, Callable[[bytes], Deferrable]]] = {
    layout.REMATCH_QUEUE: rematch_orders.decode_page,
    layout.BACKFILL_PAGES_QUEUE: backfill_orders.decode_page,
    layout.EVENT_GRID_QUEUE: delivery.decode,
}

logger: Final = logging.getLogger(__name__)


class InvalidReplayError(ValueError):
    """A request that is not a replay; the message gives the reason."""


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request for a replay of exactly one of `videos`, `poison` and a time range.

    Attributes:
        videos: The ids of the videos.
        poison: The queue whose poison queue is replayed; `diagnostics` is that of Video Indexer's diagnostic log.
        since, until: Videos whose documents answer for a moment from `since` to before `until`.
        cursor: Where a time range continues, from the result of the request before.
        destination: Send events to this destination only; None for all.
        dry_run: Count the messages, and queue none.
    """

    videos: Annotated[tuple[VideoId, ...], msgspec.Meta(min_length=1, max_length=MAX_VIDEOS)] | None = None
    poison: PoisonedQueue | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = msgspec.field(default=None, name="to")
    cursor: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] | None = None
    destination: DestinationName | None = None
    dry_run: bool = False


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a replay, or of a dry run.

    Attributes:
        jobs: How many messages were queued; in a dry run of a poison queue, how many it has.
        unreadable: Messages of a poison queue that cannot be read; they stay there.
        more: Whether another request has to continue.
        cursor: Where the next request of a time range continues; None if nothing is left.
    """

    dry_run: bool
    jobs: int
    unreadable: int = 0
    more: bool = False
    cursor: str | None = None


_REQUEST: Final = msgspec.json.Decoder(ReplayRequest)


def read_request(body: bytes) -> ReplayRequest:
    """Return the request in a body.

    Raises:
        InvalidReplayError: The body is not a replay, or it asks for nothing or for several things.
    """
    try:
        request = _REQUEST.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidReplayError(f"not a replay: {error}") from None
    has_range = request.since is not None or request.until is not None
    if [request.videos is not None, request.poison is not None, has_range].count(True) != 1:
        raise InvalidReplayError("not a replay: give one of videos, poison, and a time range from, to")
    if has_range and (request.since is None or request.until is None or request.since >= request.until):
        raise InvalidReplayError("not a replay: a time range has a from, and a to that is later")
    if request.cursor is not None and not has_range:
        raise InvalidReplayError("not a replay: a cursor belongs to a time range")
    if request.destination is not None and request.poison is not None:
        raise InvalidReplayError("not a replay: a destination belongs to videos or a time range")
    return request


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Queues the jobs of replays, and records each replay.

    Attributes:
        queue: Returns the queue of a name.
        poison: Returns the poison queue of a queue; its client does not decode.
        documents: The container `keywords`.
        control: The container `control`.
        account_id: The Video Indexer account.
        clock: The time now (UTC).
    """

    queue: Callable[[str], MessageQueue]
    poison: Callable[[PoisonedQueue], "QueueClient"]
    documents: "ContainerClient"
    control: "ContainerClient"
    account_id: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def replay(self, request: ReplayRequest, *, operation_id: str, traceparent: str) -> ReplayResult:
        """Replay, record the replay in storage, and return its result.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the operator can repeat the request.
        """
        if request.poison is not None:
            result = await self._replay_poison(request.poison, request, traceparent)
        elif request.videos is not None:
            count = await self._replay_videos(tuple(dict.fromkeys(request.videos)), request, traceparent)
            result = ReplayResult(dry_run=request.dry_run, jobs=count)
        else:
            result = await self._replay_range(request, traceparent)
        record = {"when": self.clock(), "request": request, "result": result}
        name = f"{layout.REPLAYS_FOLDER}/{self.clock():%Y-%m-%d}/{operation_id}.json"
        await self.control.upload_blob(name, msgspec.json.encode(record), overwrite=True)
        logger.info(
            "replay=%s dry_run=%s jobs=%d unreadable=%d",
            operation_id,
            request.dry_run,
            result.jobs,
            result.unreadable,
        )
        return result

    async def _replay_videos(self, videos: Sequence[str], request: ReplayRequest, traceparent: str) -> int:
        """Queue a job for each video, and return how many there are."""
        for video_id in () if request.dry_run else videos:
            await self._send_job(self._job(video_id, request.destination, traceparent))
        return len(videos)

    async def _replay_range(self, request: ReplayRequest, traceparent: str) -> ReplayResult:
        count, cursor = 0, request.cursor
        async for videos, cursor in self._pages(request):  # noqa: B007 - the last one is returned
            count += await self._replay_videos(videos, request, traceparent)
            if count >= MAX_JOBS:
                break
        return ReplayResult(dry_run=request.dry_run, jobs=count, more=cursor is not None, cursor=cursor)

    async def _pages(self, request: ReplayRequest) -> AsyncIterator[tuple[list[str], str | None]]:
        """Yield the videos of the range, a page of documents at a time, and where the next page begins."""
        assert request.since is not None
        assert request.until is not None
        pages = self.documents.list_blobs(
            f"{self.account_id}/", include=["metadata"], results_per_page=PAGE_DOCUMENTS
        ).by_page(request.cursor)
        async for page in pages:
            videos = []
            async for blob in page:
                video_id, as_of = video_id_of(blob.name), read_status(blob.metadata).as_of
                if video_id and as_of > NEVER and request.since <= as_of < request.until:
                    videos.append(video_id)
            # The SDK's page iterator has the next page's marker; its types don't declare it.
            yield videos, getattr(pages, "continuation_token", None) or None

    async def _replay_poison(
        self, name: PoisonedQueue, request: ReplayRequest, traceparent: str
    ) -> ReplayResult:
        queue = self.poison(name)
        if request.dry_run:
            waiting = (await queue.get_queue_properties()).approximate_message_count or 0
            return ReplayResult(dry_run=True, jobs=min(waiting, MAX_JOBS), more=waiting > MAX_JOBS)
        received = replayed = unreadable = 0
        messages = queue.receive_messages(
            messages_per_page=32, visibility_timeout=HOLD_SECONDS, max_messages=MAX_JOBS
        )
        async for message in messages:
            received += 1
            sent = await self._resend(name, poison.original(message.content), traceparent)
            if sent == 0:
                unreadable += 1
                continue
            await queue.delete_message(message)
            replayed += sent
        return ReplayResult(dry_run=False, jobs=replayed, unreadable=unreadable, more=received == MAX_JOBS)

    async def _resend(self, name: PoisonedQueue, body: bytes, traceparent: str) -> int:
        """Queue the messages for a poison message, and return their number; 0 if it cannot be read."""
        if decode := _DECODE.get(name):
            try:
                message = without_failures(decode(body))
            except InvalidMessageError:
                return 0
            await self.queue(name).send(msgspec.json.encode(message).decode())
            return 1
        found = self._jobs_from_log(body) if name == "diagnostics" else _jobs_from_queue(body)
        for job in found:
            replayed = self._job(job.video_id, job.destination, traceparent)
            # Only the message has the uploader's reference and the fields of a newer version.
            replayed = msgspec.structs.replace(replayed, reference=job.reference, further=job.further)
            await self._send_job(replayed, name if name == layout.BACKFILL_QUEUE else layout.EXTRACTION_QUEUE)
        return len(found)

    async def _send_job(self, job: ExtractionJob, queue: str = layout.EXTRACTION_QUEUE) -> None:
        await self.queue(queue).send(jobs.encode(job))

    def _jobs_from_log(self, body: bytes) -> Sequence[ExtractionJob]:
        """Return the jobs for records of Video Indexer's log; none if one record cannot be read."""
        readings = indexing_log.read_message(
            body,
            account_id=self.account_id,
            received_at=self.clock(),
            traceparent=None,
            new_job_id=new_job_id,
        )
        if any(isinstance(reading, indexing_log.FailedRecord) for reading in readings):
            return []
        return [reading.job for reading in readings if isinstance(reading, indexing_log.Signal)]

    def _job(self, video_id: str, destination: str | None, traceparent: str) -> ExtractionJob:
        return ExtractionJob(
            video_id=video_id,
            job_id=new_job_id(),
            signal="replay",
            received_at=self.clock(),
            destination=destination,
            traceparent=traceparent,
        )


def _jobs_from_queue(body: bytes) -> Sequence[ExtractionJob]:
    try:
        return [jobs.decode(body)]
    except InvalidMessageError:
        return []

"""Replay: jobs again, for videos that an operator names or for what lies on a poison queue.

A replayed job asks Video Indexer like any other, and where nothing is new it sends the stored events once
more: the same bytes, which whoever has them drops by their ids. A page of a backfill or a rematch goes back
to its queue as it was. Each replay is noted in `control/replays/`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from keywire import ids
from keywire.decoding import DECODE_ERRORS, Moment
from keywire.ids import VideoId
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.job import ExtractionJob, InvalidJobError
from keywire.jobs.queue import JobQueue
from keywire.operations import backfill_orders, rematch_orders
from keywire.signals import indexing_log
from keywire.storage import layout
from keywire.versions.store import AS_OF, video_id_of

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient

MAX_VIDEOS: Final = 1000
# One request does no more than this; `more` says that there is more, and the next request goes on.
MAX_JOBS: Final = 2000
# How long messages of a poison queue are out of others' sight while they are replayed.
HOLD_SECONDS: Final = 120

type PoisonedQueue = Literal["extraction", "backfill", "diagnostics", "rematch", "backfill-pages"]
_READ_PAGE: Final[Mapping[PoisonedQueue, Callable[[bytes], object]]] = {
    layout.REMATCH_QUEUE: rematch_orders.read_page,
    layout.BACKFILL_PAGES_QUEUE: backfill_orders.read_page,
}

logger: Final = logging.getLogger(__name__)


class InvalidReplayError(ValueError):
    """What was asked for is no replay; the message says why."""


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operator asks for: exactly one of `videos`, `poison`, and a time range.

    Attributes:
        videos: Their ids.
        poison: The queue whose poison queue is replayed; `diagnostics` is that of Video Indexer's own log.
        since, until: Videos whose documents answer for a moment from `since` to before `until`.
        dry_run: Only count.
    """

    videos: Annotated[tuple[VideoId, ...], msgspec.Meta(min_length=1, max_length=MAX_VIDEOS)] | None = None
    poison: PoisonedQueue | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = msgspec.field(default=None, name="to")
    dry_run: bool = False


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a replay did, or would do.

    Attributes:
        jobs: Jobs and pages that were queued; in a dry run of a poison queue, its messages.
        unreadable: Messages of a poison queue of which nothing can be made; they stay there.
        more: Whether there is more to do than one request does.
    """

    dry_run: bool
    jobs: int
    unreadable: int = 0
    more: bool = False


_REQUEST: Final = msgspec.json.Decoder(ReplayRequest)


def read_request(body: bytes) -> ReplayRequest:
    """Read the body of a request.

    Raises:
        InvalidReplayError: It is something else, or asks for nothing, or for several things.
    """
    try:
        request = _REQUEST.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidReplayError(f"not a replay: {error}") from None
    ranged = request.since is not None or request.until is not None
    if [request.videos is not None, request.poison is not None, ranged].count(True) != 1:
        raise InvalidReplayError("not a replay: give one of videos, poison, and from and to")
    if ranged and (request.since is None or request.until is None or request.since >= request.until):
        raise InvalidReplayError("not a replay: a time range has a from, and a to that is later")
    return request


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The use case.

    Attributes:
        queue: Where jobs go.
        pages: Where pages of operations go, by the name of their queue.
        poison: The poison queue of each queue; clients that don't decode.
        documents: The container `keywords`.
        control: The container `control`.
        account_id: The Video Indexer account.
        clock: The time now (UTC).
    """

    queue: JobQueue
    pages: Callable[[PoisonedQueue], JobQueue]
    poison: Callable[[PoisonedQueue], "QueueClient"]
    documents: "ContainerClient"
    control: "ContainerClient"
    account_id: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def replay(self, request: ReplayRequest, *, operation_id: str, traceparent: str) -> ReplayResult:
        """Do it, note it, and say what was done.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; doing it again is harmless.
        """
        if request.poison is not None:
            result = await self._replay_poison(request.poison, request, traceparent)
        else:
            result = await self._replay_videos(request, traceparent)
        noted = {"when": self.clock(), "request": request, "result": result}
        name = f"replays/{self.clock():%Y-%m-%d}/{operation_id}.json"
        await self.control.upload_blob(name, msgspec.json.encode(noted), overwrite=True)
        logger.info(
            "replay=%s dry_run=%s jobs=%d unreadable=%d",
            operation_id,
            request.dry_run,
            result.jobs,
            result.unreadable,
        )
        return result

    async def _replay_videos(self, request: ReplayRequest, traceparent: str) -> ReplayResult:
        count = 0
        async for video_id in self._videos(request):
            if count == MAX_JOBS:
                return ReplayResult(dry_run=request.dry_run, jobs=count, more=True)
            if not request.dry_run:
                await self.queue.send(self._job(video_id, traceparent))
            count += 1
        return ReplayResult(dry_run=request.dry_run, jobs=count)

    async def _videos(self, request: ReplayRequest) -> AsyncIterator[str]:
        for video_id in dict.fromkeys(request.videos or ()):
            yield video_id
        if request.since is None or request.until is None:
            return
        prefix = f"{self.account_id}/"
        async for blob in self.documents.list_blobs(prefix, include=["metadata"]):
            stored, marked = video_id_of(blob.name), (blob.metadata or {}).get(AS_OF)
            if stored and marked and request.since <= datetime.fromisoformat(marked) < request.until:
                yield stored

    async def _replay_poison(
        self, name: PoisonedQueue, request: ReplayRequest, traceparent: str
    ) -> ReplayResult:
        queue = self.poison(name)
        if request.dry_run:
            waiting = (await queue.get_queue_properties()).approximate_message_count or 0
            return ReplayResult(dry_run=True, jobs=min(waiting, MAX_JOBS), more=waiting > MAX_JOBS)
        taken = replayed = unreadable = 0
        messages = queue.receive_messages(
            messages_per_page=32, visibility_timeout=HOLD_SECONDS, max_messages=MAX_JOBS
        )
        async for message in messages:
            taken += 1
            sent = await self._send_again(name, poison.original(message.content), traceparent)
            if sent == 0:
                unreadable += 1
                continue
            await queue.delete_message(message)
            replayed += sent
        return ReplayResult(dry_run=False, jobs=replayed, unreadable=unreadable, more=taken == MAX_JOBS)

    async def _send_again(self, name: PoisonedQueue, body: bytes, traceparent: str) -> int:
        """Queue what a message asks for: how many messages that made, 0 where it can't be read."""
        if read_page := _READ_PAGE.get(name):
            try:
                read_page(body)
            except ValueError:
                return 0
            await self.pages(name).send_text(body.decode())
            return 1
        found = self._from_log(body) if name == "diagnostics" else _from_queue(body)
        for job in found:
            again = self._job(job.video_id, traceparent)
            # What the uploader calls the video, and what a newer version put there, is nowhere else.
            await self.queue.send(
                msgspec.structs.replace(again, reference=job.reference, further=job.further)
            )
        return len(found)

    def _from_log(self, body: bytes) -> Sequence[ExtractionJob]:
        """The jobs that records of Video Indexer's own log ask for; none where one can't be read."""
        readings = indexing_log.read_message(
            body,
            account_id=self.account_id,
            received_at=self.clock(),
            traceparent=None,
            new_job_id=ids.new_job_id,
        )
        if any(isinstance(reading, indexing_log.Refusal) for reading in readings):
            return []
        return [reading.job for reading in readings if isinstance(reading, indexing_log.Signal)]

    def _job(self, video_id: str, traceparent: str) -> ExtractionJob:
        return ExtractionJob(
            video_id=video_id,
            job_id=ids.new_job_id(),
            signal="replay",
            received_at=self.clock(),
            traceparent=traceparent,
        )


def _from_queue(body: bytes) -> Sequence[ExtractionJob]:
    try:
        return [jobs.decode(body)]
    except InvalidJobError:
        return []

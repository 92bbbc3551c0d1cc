"""How far each video of a demo is, seen from outside: Video Indexer, Blob Storage, the events' queue."""

import base64
from dataclasses import dataclass, field

import msgspec

from keywire.events.interests import MATCHED, WITHDRAWN
from keywire.storage.layout import EVENTS_QUEUE, KEYWORDS_CONTAINER
from keywire.versions.status import read_status
from local.demo.inputs import Input
from local.stack import LocalStack


@dataclass
class VideoProgress:
    """One video's way.

    Attributes:
        requests: How many indexings were asked for.
        state: Video Indexer's.
        indexings: How many Video Indexer has finished.
        callbacks: How many callbacks Keywire has answered with success.
        version: Of its document; 0 before the first.
        published: The newest version whose events are all sent.
        etag: Of the document: every job that has asked Video Indexer changes it, whatever the answer.
        etag_before: The same when the last indexing was asked for.
        events: What the versions said of their keywords, as read from the queue, by sequence.
        matches: The interests that matched, as read from the queue.
        withdrawals: How many of them were withdrawn.
    """

    source: Input
    video_id: str = ""
    requests: int = 0
    state: str = ""
    indexings: int = 0
    callbacks: int = 0
    version: int = 0
    published: int = 0
    etag: str = ""
    etag_before: str = ""
    events: dict[int, bytes] = field(default_factory=dict)
    matches: list[bytes] = field(default_factory=list)
    withdrawals: int = 0

    @property
    def written(self) -> bool:
        """Whether the document answers for the last indexing."""
        return self.version > 0 and self.etag != self.etag_before

    @property
    def sent(self) -> bool:
        """Whether that version's events, and those of all before it, have arrived."""
        return self.written and self.published == self.version and len(self.events) == self.version

    @property
    def done(self) -> bool:
        """Whether every indexing has come through to the end."""
        return self.requests == self.source.indexings and self.sent


class _Envelope(msgspec.Struct):
    type: str
    partitionkey: str
    sequence: str


class Watcher:
    """Looks at the stack and notes in each video's progress what there is to see."""

    def __init__(self, stack: LocalStack, videos: list[VideoProgress]) -> None:
        self._stack = stack
        self._videos = videos
        self._events = stack.storage.queues.get_queue_client(EVENTS_QUEUE)
        self._documents = stack.storage.blobs.get_container_client(KEYWORDS_CONTAINER)
        self.events: list[bytes] = []

    async def look(self) -> None:
        """Look once at each service."""
        known = {video.video_id: video for video in self._videos if video.video_id}
        async with self._stack.client() as http:
            response = await http.get(f"{self._stack.video_indexer_url}/emulator/videos")
        for seen in response.raise_for_status().json():
            if video := known.get(seen["id"]):
                video.state = seen["state"]
                video.indexings = seen["indexings"]
                video.callbacks = sum((delivery["status"] or 500) < 300 for delivery in seen["callbacks"])
        async for blob in self._documents.list_blobs(include=["metadata"]):
            video = known.get(blob.name.rpartition("/")[2].removesuffix(".json"))
            if video is not None and blob.metadata:
                status = read_status(blob.metadata)
                video.version, video.published = status.version, status.published
                video.etag = blob.etag
        # After the documents: of a version that says it is published, every event is on the queue by now.
        await self._read_events(known)

    async def _read_events(self, known: dict[str, VideoProgress]) -> None:
        async for message in self._events.receive_messages(messages_per_page=32):
            body = base64.b64decode(message.content)
            event = msgspec.json.decode(body, type=_Envelope)
            self.events.append(body)
            if video := known.get(event.partitionkey):
                if event.type == MATCHED:
                    video.matches.append(body)
                elif event.type == WITHDRAWN:
                    video.withdrawals += 1
                else:
                    video.events[int(event.sequence)] = body
            await self._events.delete_message(message)

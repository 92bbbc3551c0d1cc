"""One video's world for extraction tests: real storage, and an index source that says what it is told."""

import base64
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec

from keywire.destinations.destinations import Destination, Destinations
from keywire.destinations.storage_queue import StorageQueue
from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.extraction.extraction import Extraction, Outcome
from keywire.interests.source import InterestSource
from keywire.interests.status import InterestStatus
from keywire.jobs.job import ExtractionJob
from keywire.operations.rematch import Counts, Rematch
from keywire.storage.layout import CONFIG_CONTAINER, CONTROL_CONTAINER, HISTORY_CONTAINER, KEYWORDS_CONTAINER
from keywire.storage.notes import Note
from keywire.versions.current import CurrentDocuments
from keywire.versions.history import History
from keywire.versions.outbox import Outbox
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID
from tests.support.crashing import Crashing
from tests.support.queue_messages import never_expires

REMATCH_TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"


class Source:
    """Answers with `body`; `before_answering` runs between the question and the answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.bodies: dict[str, bytes] = {}
        self.asked = 0
        self.before_answering: Callable[[int], Awaitable[None]] | None = None

    async def get_index(self, video_id: str) -> bytes:
        assert self.bodies or video_id == VIDEO_ID
        self.asked += 1
        body = self.bodies.get(video_id, self.body)
        if self.before_answering is not None:
            await self.before_answering(self.asked)
        return body


class Clock:
    """A second passes with each look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Pointer(msgspec.Struct):
    url: str
    sha256: str


class Data(msgspec.Struct):
    version: int
    document: Pointer


class Event(msgspec.Struct):
    id: str
    type: str
    time: datetime
    sequence: str
    data: Data


class World:
    """Extraction on an account and a queue of its own."""

    def __init__(self, insights: InsightsStorage, body: bytes, *, account_id: str | None = None) -> None:
        self.account_id = account_id or str(uuid.uuid4())
        self.source = Source(body)
        self.clock = Clock()
        self.current_container = insights.blobs.get_container_client(KEYWORDS_CONTAINER)
        self.history_container = insights.blobs.get_container_client(HISTORY_CONTAINER)
        self._insights = insights
        self._queue = insights.queue(f"events-{self.account_id[:8]}")
        self.interests = self.new_interests()

    def new_interests(self) -> InterestSource:
        """The interests as a process that starts now sees them."""
        blobs = self._insights.blobs
        status = blobs.get_blob_client(CONTROL_CONTAINER, f"{self.account_id}.status.json")
        return InterestSource(
            file=blobs.get_blob_client(CONFIG_CONTAINER, f"{self.account_id}.json"),
            last_good=blobs.get_blob_client(CONTROL_CONTAINER, f"{self.account_id}.json"),
            status=Note(status, InterestStatus),
        )

    async def __aenter__(self) -> Self:
        await self._queue.create_queue()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._queue.delete_queue()

    def outbox(
        self, *, crashing: Crashing | None = None, destinations: dict[str, Destination] | None = None
    ) -> Outbox:
        current, history, queue = self.current_container, self.history_container, self._queue
        if crashing is not None:
            current, history = crashing.container(current), crashing.container(history)
            queue = crashing.queue(queue)
        return Outbox(
            documents=CurrentDocuments(current, self.account_id),
            history=History(history, self.account_id),
            destinations=Destinations(destinations or {"queue": StorageQueue(queue)}),
            interests=self.interests,
            event_source=SOURCE,
            clock=self.clock,
        )

    def extraction(self, **options: Any) -> Extraction:
        return Extraction(
            source=self.source, outbox=self.outbox(**options), account_id=self.account_id, clock=self.clock
        )

    async def set_interests(self, *interests: dict[str, Any], body: bytes | None = None) -> None:
        """Write the interests file."""
        text = json.dumps({"interests": interests}, ensure_ascii=False).encode() if body is None else body
        await self.interests.file.upload_blob(text, overwrite=True)

    async def rematch(
        self,
        video_id: str = VIDEO_ID,
        *,
        only: Collection[str] | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> Counts:
        """Match a document with the interests in force."""
        rematch = Rematch(outbox=self.outbox(**options), interests=self.interests)
        in_force = await self.interests.current()
        return await rematch.rematch(
            video_id, in_force, only=only, dry_run=dry_run, traceparent=REMATCH_TRACEPARENT
        )

    async def run(self, *, as_of: datetime | None = None) -> Outcome:
        return await self.extraction().extract(job(as_of=as_of))

    async def current(self) -> tuple[KeywordDocument, bytes, dict[str, str]]:
        blob = self.current_container.get_blob_client(f"{self.account_id}/{VIDEO_ID}.json")
        download = await blob.download_blob()
        body = await download.readall()
        return documents.decode(body), body, dict(download.properties.metadata)

    async def delete_current(self) -> None:
        """Lose the current document, as a failover may."""
        await self.current_container.delete_blob(f"{self.account_id}/{VIDEO_ID}.json")

    async def set_metadata(self, metadata: dict[str, str]) -> None:
        """Write the current document's metadata, as an older instance or an operator may."""
        blob = self.current_container.get_blob_client(f"{self.account_id}/{VIDEO_ID}.json")
        await blob.set_blob_metadata(metadata)

    async def history(self) -> dict[str, bytes]:
        """Every file of the video's history, by name."""
        prefix = f"{self.account_id}/{VIDEO_ID}/"
        return {
            blob.name.removeprefix(prefix): await (
                await self.history_container.download_blob(blob.name)
            ).readall()
            async for blob in self.history_container.list_blobs(name_starts_with=prefix)
        }

    async def all_events(self) -> list[bytes]:
        """Every event that is in the history of any video of the account."""
        return [
            line
            async for blob in self.history_container.list_blobs(name_starts_with=f"{self.account_id}/")
            if blob.name.endswith(".ndjson")
            for line in (await (await self.history_container.download_blob(blob.name)).readall()).splitlines()
        ]

    async def queued(self) -> list[bytes]:
        """Take the events from the queue."""
        found = []
        async for message in self._queue.receive_messages(messages_per_page=32, visibility_timeout=1):
            assert never_expires(message)  # never: a consumer may come late
            found.append(base64.b64decode(message.content, validate=True))
            await self._queue.delete_message(message)
        return found

    async def audit(self) -> list[Event]:
        """Check what must hold whatever happened; return the distinct events that were sent, in their order.

        The current document is the newest version of the chain that `previousHash` leads through. Every event that
        was sent is in a list of history, has one id and one byte sequence, tells of a version of the chain, and no
        two editions share a sequence. Its edition was sent.
        """
        document, body, metadata = await self.current()
        history = await self.history()
        assert metadata["sent"] == metadata["edition"]
        assert metadata["published"] == metadata["version"] == str(document.version)
        chain: dict[int, bytes] = {}
        wanted: str | None = document.content_hash
        for version in range(document.version, 0, -1):
            assert wanted is not None
            chain[version] = history[f"{version:06d}-{wanted[:12]}.json"]
            stored = documents.decode(chain[version])
            assert (stored.version, stored.content_hash) == (version, wanted)
            wanted = stored.previous_hash
        assert wanted is None
        assert body == chain[document.version]
        stored_lines = {
            line for name, lines in history.items() if "events" in name for line in lines.splitlines()
        }
        sent = set(await self.queued())
        assert sent <= stored_lines
        decoded = [msgspec.json.decode(line, type=Event) for line in sent]
        assert len({event.id for event in decoded}) == len(decoded)
        for event in decoded:
            assert event.data.document.sha256 == hashlib.sha256(chain[event.data.version]).hexdigest()
            name = event.data.document.url.rpartition("/")[2]
            assert history[name] == chain[event.data.version]
        editions = {(event.sequence, event.data.version) for event in decoded}
        assert len({sequence for sequence, _ in editions}) == len(editions)
        newest = history[metadata["list"]].splitlines() if "list" in metadata else []
        assert set(newest) <= sent
        return sorted(decoded, key=lambda event: event.sequence)


def job(*, as_of: datetime | None = None, video_id: str = VIDEO_ID) -> ExtractionJob:
    return ExtractionJob(
        video_id=video_id,
        job_id=uuid.uuid4().hex,
        signal="callback",
        received_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
        as_of=as_of,
        traceparent=f"00-{uuid.uuid4().hex}-b7ad6b7169203331-01",
    )

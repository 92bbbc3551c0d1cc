"""One video's world for extraction tests: real storage, and an index source that says what it is told."""

import base64
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec

from keywire.destinations.destinations import Destination, Destinations
from keywire.destinations.storage_queue import StorageQueue
from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.extraction.extraction import Extraction, Outcome
from keywire.interests.source import LOOK_EVERY_SECONDS, InterestSource
from keywire.interests.status import InterestStatus
from keywire.jobs.job import ExtractionJob
from keywire.operations.rematch import Rematch
from keywire.storage.layout import CONFIG_CONTAINER, CONTROL_CONTAINER, HISTORY_CONTAINER, KEYWORDS_CONTAINER
from keywire.storage.notes import Note
from keywire.versions.store import BlobDocumentStore, DocumentStore
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID

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
        self._current = insights.blobs.get_container_client(KEYWORDS_CONTAINER)
        self._history = insights.blobs.get_container_client(HISTORY_CONTAINER)
        self._queue = insights.queue(f"events-{self.account_id[:8]}")
        self.store = BlobDocumentStore(self._current, self._history, self.account_id)
        self.publisher = StorageQueue(self._queue)
        file = insights.blobs.get_blob_client(CONFIG_CONTAINER, f"{self.account_id}.json")
        last_good = insights.blobs.get_blob_client(CONTROL_CONTAINER, f"{self.account_id}.json")
        self.time = 0.0
        status = insights.blobs.get_blob_client(CONTROL_CONTAINER, f"{self.account_id}.status.json")
        self.interests = InterestSource(
            file=file, last_good=last_good, status=Note(status, InterestStatus), clock=lambda: self.time
        )

    async def __aenter__(self) -> Self:
        await self._queue.create_queue()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._queue.delete_queue()

    def extraction(
        self, store: DocumentStore | None = None, publisher: Destination | None = None
    ) -> Extraction:
        return Extraction(
            source=self.source,
            store=store or self.store,
            destinations=Destinations(publisher or self.publisher),
            interests=self.interests,
            account_id=self.account_id,
            event_source=SOURCE,
            clock=self.clock,
        )

    async def set_interests(self, *interests: dict[str, Any], body: bytes | None = None) -> None:
        """Write the file, and let the time pass after which it is looked at again."""
        text = json.dumps({"interests": interests}, ensure_ascii=False).encode() if body is None else body
        await self.interests.file.upload_blob(text, overwrite=True)
        self.time += LOOK_EVERY_SECONDS

    def rematch(self, store: DocumentStore | None = None, publisher: Destination | None = None) -> Rematch:
        return Rematch(extraction=self.extraction(store, publisher))

    async def run(self, *, as_of: datetime | None = None) -> Outcome:
        return await self.extraction().extract(job(as_of=as_of))

    async def current(self) -> tuple[KeywordDocument, bytes, dict[str, str]]:
        blob = self._current.get_blob_client(f"{self.account_id}/{VIDEO_ID}.json")
        download = await blob.download_blob()
        body = await download.readall()
        return documents.decode(body), body, dict(download.properties.metadata)

    async def history(self) -> dict[str, bytes]:
        """Every file of the video's history, by name."""
        prefix = f"{self.account_id}/{VIDEO_ID}/"
        return {
            blob.name.removeprefix(prefix): await (await self._history.download_blob(blob.name)).readall()
            async for blob in self._history.list_blobs(name_starts_with=prefix)
        }

    async def all_events(self) -> list[bytes]:
        """Every event that lies in the history of any video of the account."""
        return [
            line
            async for blob in self._history.list_blobs(name_starts_with=f"{self.account_id}/")
            if blob.name.endswith(".ndjson")
            for line in (await (await self._history.download_blob(blob.name)).readall()).splitlines()
        ]

    async def queued(self) -> list[bytes]:
        """The events on the queue, which stay there."""
        found = []
        async for message in self._queue.receive_messages(messages_per_page=32, visibility_timeout=1):
            assert message.expires_on.year == 9999  # never: nobody knows when a consumer comes
            found.append(base64.b64decode(message.content, validate=True))
            await self._queue.delete_message(message)
        return found

    async def audit(self, *, leftover: str = "") -> list[Event]:
        """Check what must hold whatever happened; the distinct events that were sent, in their order.

        The current document is the newest version; each version of its chain lies in history once, with its
        events; all of them were sent, with one id each and identical bytes, and no other event was. Each
        tells of its version: when it was made, where it lies, and what its bytes are. Besides them, only the
        files of `leftover` lie in history.
        """
        document, body, metadata = await self.current()
        history = await self.history()
        assert metadata["published"] == metadata["version"] == str(document.version)
        chain: dict[str, bytes] = {}
        wanted: str | None = document.content_hash
        for version in range(document.version, 0, -1):
            assert wanted is not None
            name = f"{version:06d}-{wanted[:12]}"
            stored = documents.decode(history[f"{name}.json"])
            assert (stored.version, stored.content_hash) == (version, wanted)
            chain[f"{name}.json"] = history[f"{name}.json"]
            lists = {
                file: body
                for file, body in history.items()
                if file.startswith(f"{name}.") and file.endswith(".events.ndjson")
            }
            assert f"{name}.events.ndjson" in lists
            chain |= lists
            for line in b"".join(lists.values()).splitlines():
                event = msgspec.json.decode(line, type=Event)
                assert event.time == stored.extracted_at
                assert (event.data.version, int(event.sequence)) == (version, version)
                assert event.data.document.url.endswith(f"/{name}.json")
                assert event.data.document.sha256 == hashlib.sha256(chain[f"{name}.json"]).hexdigest()
            wanted = stored.previous_hash
        assert wanted is None
        known = {name for name in history if leftover and name.startswith(leftover)}
        assert history.keys() - known == chain.keys()
        assert body == history[f"{document.version:06d}-{document.content_hash[:12]}.json"]
        sent = set(await self.queued())
        expected = {
            line for name, lines in chain.items() if name.endswith("ndjson") for line in lines.splitlines()
        }
        assert sent == expected
        decoded = [msgspec.json.decode(line, type=Event) for line in sent]
        assert len({event.id for event in decoded}) == len(decoded)
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

"""A rematch of a whole account, page by page, on real storage."""

import base64
import uuid

import pytest

from keywire.interests.status import FullRematch
from keywire.jobs.queue import MessageQueue
from keywire.operations import rematch_pages
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch import Rematch
from keywire.operations.rematch_orders import (
    PageResult,
    RematchPage,
    RematchRequest,
    RematchStatus,
    decode_page,
    status_of,
)
from keywire.operations.rematch_pages import RematchPages
from keywire.storage.layout import CONTROL_CONTAINER, KEYWORDS_CONTAINER
from keywire.storage.notes import Note
from keywire.versions.outbox import Outbox
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.world import World, job

FESTIVALS = {"id": "festivals", "name": "Festivals", "anyOf": ["festival"]}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Operation:
    """A rematch of a world of eight videos, of which three match, in pages of three."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        self.id = uuid.uuid4().hex
        self.queue = insights.queue(f"rematch-{self.id[:8]}")
        self.world = world
        self.documents = insights.blobs.get_container_client(KEYWORDS_CONTAINER)
        control = insights.blobs.get_container_client(CONTROL_CONTAINER)
        self.log = OperationLog(
            control, MessageQueue(self.queue), kind="rematch", decode=decode_page, result_type=PageResult
        )
        self.completed = Note(control.get_blob_client(f"{self.id}.json"), FullRematch)
        self.pages = self.with_outbox(world.outbox())

    async def __aenter__(self) -> "Operation":  # noqa: PYI034
        await self.queue.create_queue()
        videos = [f"video{number}" for number in range(8)]
        texts = ["festivals", "robots", "robots", "festival", "harbour", "film festival", "sea", "sky"]
        self.world.source.bodies = {
            video: index([keyword(text)], id=video) for video, text in zip(videos, texts, strict=True)
        }
        for video in videos:
            await self.world.extraction().extract(job(video_id=video))
        await self.world.set_interests(FESTIVALS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.queue.delete_queue()

    def with_outbox(self, outbox: Outbox) -> RematchPages:
        rematch = Rematch(outbox=outbox, interests=self.world.interests)
        return RematchPages(rematch, self.documents, self.log, self.completed, self.world.account_id)

    async def start(self, request: RematchRequest) -> None:
        await self.log.start(RematchPage(operation_id=self.id, request=request, traceparent=TRACE))

    async def take(self) -> list[RematchPage]:
        """The pages that wait, taken."""
        found = []
        async for message in self.queue.receive_messages():
            found.append(decode_page(base64.b64decode(message.content)))
            await self.queue.delete_message(message)
        return found

    async def status(self) -> RematchStatus:
        found = await self.log.read(self.id)
        assert found is not None
        return status_of(*found)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rematch_pages, "PAGE_DOCUMENTS", 3)


async def test_every_page_is_done_and_says_so(insights: InsightsStorage) -> None:
    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.start(RematchRequest())
        assert (await operation.status()).done is False
        done = 0
        while pages := await operation.take():
            for page in pages:
                await operation.pages.match_page(page)
                done += 1
        status = await operation.status()
        assert (status.pages, done, status.done) == (3, 3, True)
        assert (status.documents, status.matched, status.withdrawn) == (8, 3, 0)
        completed = await operation.completed.read()
        assert completed is not None
        assert completed.interests_stamp == (await world.interests.current()).stamp


async def test_a_page_that_was_done_is_not_done_again(insights: InsightsStorage) -> None:
    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.start(RematchRequest())
        (first,) = await operation.take()
        await operation.pages.match_page(first)
        assert len(await operation.take()) == 1
        before = await operation.status()
        await operation.pages.match_page(first)
        assert await operation.take() == []
        assert await operation.status() == before


async def test_a_page_whose_end_was_lost_is_done_again_and_finds_nothing_new(
    insights: InsightsStorage,
) -> None:
    class Dying:
        async def send(self, _: object) -> None:
            raise RuntimeError

    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.start(RematchRequest())
        (first,) = await operation.take()
        broken = operation.with_outbox(world.outbox(destinations={"dying": Dying()}))
        with pytest.raises(RuntimeError):
            await broken.match_page(first)
        assert (await operation.status()).pages == 0
        await operation.pages.match_page(first)
        events = await world.queued()
        assert len([event for event in events if b"interest.matched" in event]) == 1


async def test_a_dry_run_sends_nothing(insights: InsightsStorage) -> None:
    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        before = len(await world.queued())
        assert before == 8
        await operation.start(RematchRequest(dry_run=True))
        while pages := await operation.take():
            for page in pages:
                await operation.pages.match_page(page)
        assert (await operation.status()).matched == 3
        assert await world.queued() == []

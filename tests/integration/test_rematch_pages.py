"""A rematch of a whole account, page by page, on real storage."""

import base64
import uuid

import pytest

from keywire.destinations.destinations import Destinations
from keywire.operations import rematch_pages
from keywire.operations.rematch_orders import RematchPage, RematchRequest, RematchStatus, read_page
from keywire.operations.rematch_pages import RematchPages
from keywire.operations.rematches import Rematches
from keywire.storage.layout import CONTROL_CONTAINER, KEYWORDS_CONTAINER
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
        self.orders = Rematches(insights.blobs.get_container_client(CONTROL_CONTAINER), self.queue)
        self.pages = RematchPages(world.rematch(), self.documents, self.orders, world.account_id)

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

    async def take(self) -> list[RematchPage]:
        """The pages that wait, taken."""
        found = []
        async for message in self.queue.receive_messages():
            found.append(read_page(base64.b64decode(message.content)))
            await self.queue.delete_message(message)
        return found

    async def status(self) -> RematchStatus:
        status = await self.orders.status(self.id)
        assert status is not None
        return status


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rematch_pages, "PAGE_DOCUMENTS", 3)


async def test_every_page_is_done_and_says_so(insights: InsightsStorage) -> None:
    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.orders.start(operation.id, RematchRequest(), TRACE)
        assert (await operation.status()).done is False
        done = 0
        while pages := await operation.take():
            for page in pages:
                await operation.pages.match_page(page)
                done += 1
        status = await operation.status()
        assert (status.pages, done, status.done) == (3, 3, True)
        assert (status.documents, status.matched, status.withdrawn) == (8, 3, 0)


async def test_a_page_that_was_done_is_not_done_again(insights: InsightsStorage) -> None:
    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.orders.start(operation.id, RematchRequest(), TRACE)
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
        name = "dying"

        async def publish(self, _: object) -> None:
            raise RuntimeError

    async with World(insights, index([])) as world, Operation(insights, world) as operation:
        await operation.orders.start(operation.id, RematchRequest(), TRACE)
        (first,) = await operation.take()
        dying = world.rematch(publisher=Dying())
        assert isinstance(dying.extraction.destinations, Destinations)
        broken = RematchPages(dying, operation.documents, operation.orders, world.account_id)
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
        await operation.orders.start(operation.id, RematchRequest(dry_run=True), TRACE)
        while pages := await operation.take():
            for page in pages:
                await operation.pages.match_page(page)
        assert (await operation.status()).matched == 3
        assert await world.queued() == []

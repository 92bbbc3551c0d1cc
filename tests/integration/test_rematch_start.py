"""Starting a rematch: which interests it begins with, and which ids of the order are unknown."""

import base64
import json
import uuid
from datetime import UTC, datetime

from keywire.jobs.queue import MessageQueue
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import PageResult, RematchPage, RematchRequest, decode_page
from keywire.operations.rematch_start import RematchStart, RematchStarted
from keywire.storage.layout import CONTROL_CONTAINER
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.own_queues import OwnQueues
from tests.support.world import World

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FILM = {"id": "film", "name": "Film", "anyOf": ["film"]}


class Starting(OwnQueues):
    def __init__(self, insights: InsightsStorage, world: World) -> None:
        super().__init__(insights, f"rematch-{uuid.uuid4().hex[:8]}")
        log = OperationLog[RematchPage, PageResult](
            insights.blobs.get_container_client(CONTROL_CONTAINER),
            MessageQueue(self.queue),
            kind="rematch",
            decode=decode_page,
            result_type=PageResult,
        )
        source = world.interests
        self.starting = RematchStart(
            log=log, file=source.file, last_good=source.last_good, status=source.status
        )

    async def start(self, *interests: str) -> tuple[RematchStarted, RematchPage]:
        started = await self.starting.start(
            uuid.uuid4().hex, RematchRequest(interests=interests or None), now=NOW, traceparent="t"
        )
        (message,) = await self.queue.peek_messages()
        return started, decode_page(base64.b64decode(message.content))


async def test_a_start_names_the_interests_that_it_begins_with(insights: InsightsStorage) -> None:
    async with World(insights, index([keyword("film")])) as world, Starting(insights, world) as starting:
        await world.set_interests(FILM)
        in_force = await world.interests.current()
        started, page = await starting.start("film", "gone")
        assert started.interests.stamp == page.interests_stamp == in_force.stamp
        assert started.interests.modified_at is not None
        assert started.interests.problem is None
        assert started.unknown_interests == ("gone",)
        assert page.ordered_at == NOW


async def test_a_start_with_a_broken_file_says_that_the_last_good_one_is_used(
    insights: InsightsStorage,
) -> None:
    async with World(insights, index([keyword("film")])) as world, Starting(insights, world) as starting:
        await world.set_interests(FILM)
        good = await world.interests.current()
        await world.set_interests(body=json.dumps({"interests": [{"id": "other"}]}).encode())
        await world.interests.current()
        started, _ = await starting.start("film", "other")
        assert started.interests.stamp == good.stamp
        assert "name" in str(started.interests.problem)
        assert started.unknown_interests == ("other",)


async def test_a_start_after_an_edit_that_was_not_read_yet_names_no_stamp(insights: InsightsStorage) -> None:
    async with World(insights, index([keyword("film")])) as world, Starting(insights, world) as starting:
        await world.set_interests(FILM)
        await world.interests.current()
        await world.set_interests(FILM | {"weight": 0.5})
        started, page = await starting.start()
        assert (started.interests.stamp, page.interests_stamp) == (None, None)
        assert started.unknown_interests == ()

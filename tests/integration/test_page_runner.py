"""Pages of operations from the queue's message to their end, on real queues."""

import base64
import json
import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from keywire.jobs.poison import MAX_TRIES, PoisonMessage, PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.operations.page_worker import PageWorker
from keywire.operations.rematch_orders import RematchPage, read_page
from keywire.video_indexer.errors import ThrottledError
from local.storage import InsightsStorage
from tests.support.own_queues import OwnQueues
from tests.support.waiting import eventually

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
PAGE = {"operationId": "0" * 32, "request": {}, "traceparent": None}


class Pages(OwnQueues):
    """A runner whose pages do nothing, or fail."""

    def __init__(self, insights: InsightsStorage, error: Exception | None = None) -> None:
        super().__init__(insights, f"pages-{uuid.uuid4().hex[:8]}")
        self.error = error
        self.done: list[RematchPage] = []
        self.runner = PageWorker(
            read=read_page,
            do=self._do,
            queue=JobQueue(self.queue),
            poison=PoisonQueue(self.poison),
            clock=lambda: NOW,
            jitter=lambda: 0.5,
        )

    async def _do(self, page: RematchPage) -> None:
        if self.error:
            raise self.error
        self.done.append(page)

    async def given_up(self) -> list[PoisonMessage]:
        messages = await self.poison.peek_messages(max_messages=32)
        assert all(message.expires_on.year == 9999 for message in messages)
        return [
            msgspec.json.decode(base64.b64decode(message.content), type=PoisonMessage) for message in messages
        ]


async def test_a_page_that_ends_leaves_nothing_behind(insights: InsightsStorage) -> None:
    async with Pages(insights) as pages:
        await pages.runner.process(json.dumps(PAGE).encode(), tries=1)
        assert [page.operation_id for page in pages.done] == ["0" * 32]
        assert await pages.given_up() == []


async def test_a_page_that_has_to_wait_for_its_turn_costs_no_try(insights: InsightsStorage) -> None:
    error = ThrottledError("the quota is used up")
    error.retry_after = 0.8
    body = json.dumps(PAGE).encode()
    async with Pages(insights, error) as pages:
        await pages.runner.process(body, tries=MAX_TRIES)
        assert await pages.given_up() == []
        assert (await pages.queue.get_queue_properties()).approximate_message_count == 1

        async def visible() -> bytes | None:
            message = await pages.queue.receive_message()
            return base64.b64decode(message.content) if message else None

        assert await eventually(visible, "the page is visible again") == body


@pytest.mark.parametrize("body", [b"", b"Montoya", b"\xff", b'{"Montoya": 1}', b"[" * 10_000, b"x" * 40_000])
async def test_what_is_no_page_is_given_up_at_once_with_a_reason_that_repeats_nothing_of_it(
    insights: InsightsStorage, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with Pages(insights) as pages:
        await pages.runner.process(body, tries=1)
        (message,) = await pages.given_up()
        assert message.reason.startswith("not a page of a rematch")
        assert (message.poisoned_at, message.tries) == (NOW, 1)
        assert body.startswith(base64.b64decode(message.message or ""))
        assert "Montoya" not in message.reason + caplog.text


async def test_a_page_of_a_newer_version_is_left_to_others_until_the_last_try(
    insights: InsightsStorage,
) -> None:
    async with Pages(insights) as pages:
        body = json.dumps(PAGE | {"messageVersion": 2, "later": 1}).encode()
        for tries in range(1, MAX_TRIES):
            with pytest.raises(ValueError, match="not a page"):
                await pages.runner.process(body, tries=tries)
        assert await pages.given_up() == []
        await pages.runner.process(body, tries=MAX_TRIES)
        (message,) = await pages.given_up()
        assert base64.b64decode(message.message or "") == body


async def test_a_page_that_fails_for_good_is_given_up_with_what_failed(insights: InsightsStorage) -> None:
    async with Pages(insights, RuntimeError("storage is on fire")) as pages:
        body = json.dumps(PAGE).encode()
        for tries in range(1, MAX_TRIES):
            with pytest.raises(RuntimeError):
                await pages.runner.process(body, tries=tries)
        assert await pages.given_up() == []
        await pages.runner.process(body, tries=MAX_TRIES)
        (message,) = await pages.given_up()
        assert (message.reason, message.tries) == ("RuntimeError: storage is on fire", MAX_TRIES)
        assert base64.b64decode(message.message or "") == body

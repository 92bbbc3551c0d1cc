"""Messages of work queues to their end: processed, deferred or dead-lettered, on real queues."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from emulators.framework.checkout import PROJECT
from keywire.documents.document import KeywordDocument
from keywire.jobs import job as jobs
from keywire.jobs import worker
from keywire.jobs.job import ExtractionJob
from keywire.jobs.poison import MAX_TRIES, PoisonMessage, PoisonQueue
from keywire.jobs.queue import MessageQueue
from keywire.jobs.worker import Worker
from keywire.operations import rematch_orders
from keywire.operations.rematch_orders import RematchPage
from keywire.services.work import JOBS, REMATCH_PAGES
from keywire.video_indexer.errors import (
    GoneError,
    NotReadyError,
    ThrottledError,
    TransientError,
    UnusableError,
)
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.own_queues import OwnQueues
from tests.support.queue_messages import never_expires
from tests.support.waiting import eventually
from tests.support.world import World, job

A = index([keyword("one")])
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


PAGE: dict[str, Any] = {
    "operationId": "0" * 32,
    "request": {},
    "traceparent": None,
    "orderedAt": "2026-03-02T09:15:00Z",
}


class Runs(OwnQueues):
    """A world whose jobs come from queues of its own."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        self.world = world
        super().__init__(insights, f"jobs-{world.account_id[:8]}")
        self.extraction = world.extraction()
        self.runner = Worker(
            codec=JOBS,
            work=self._extract,
            queue=MessageQueue(self.queue),
            poison=PoisonQueue(self.poison),
            clock=lambda: NOW,
            jitter=lambda: 0.5,
        )

    async def _extract(self, work: ExtractionJob) -> None:
        await self.extraction.extract(work)

    def fail(self, error: Exception) -> None:
        async def refuse(_: int) -> None:
            raise error

        self.world.source.before_answering = refuse

    async def waiting(self) -> int:
        return (await self.queue.get_queue_properties()).approximate_message_count or 0

    async def dead_letters(self) -> list[PoisonMessage]:
        return await dead_letters(self.poison)


class Pages(OwnQueues):
    """A worker whose pages do nothing, or fail."""

    def __init__(self, insights: InsightsStorage, error: Exception | None = None) -> None:
        super().__init__(insights, f"pages-{uuid.uuid4().hex[:8]}")
        self.error = error
        self.done: list[RematchPage] = []
        self.runner = Worker(
            codec=REMATCH_PAGES,
            work=self._match,
            queue=MessageQueue(self.queue),
            poison=PoisonQueue(self.poison),
            clock=lambda: NOW,
            jitter=lambda: 0.5,
        )

    async def _match(self, page: RematchPage) -> None:
        if self.error:
            raise self.error
        self.done.append(page)


async def dead_letters(queue: QueueClient) -> list[PoisonMessage]:
    messages = await queue.peek_messages(max_messages=32)
    assert all(never_expires(message) for message in messages)
    return [
        msgspec.json.decode(base64.b64decode(message.content), type=PoisonMessage) for message in messages
    ]


def job_of(message: PoisonMessage) -> ExtractionJob:
    assert isinstance(message.job, msgspec.Raw)
    return jobs.decode(bytes(message.job))


def body(**fields: object) -> bytes:
    return jobs.encode(msgspec.structs.replace(job(), **({"received_at": NOW} | fields))).encode()


async def test_a_job_that_is_done_leaves_nothing_behind(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        assert (await runs.waiting(), await runs.dead_letters()) == (0, [])
        assert len(await world.audit()) == 1


async def test_a_deferred_job_is_invisible_until_its_delay_is_over(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(NotReadyError("video is Processing"))
        await runs.runner.process(body(), tries=1)
        assert await runs.waiting() == 1
        assert await runs.queue.peek_messages() == []
        assert await runs.dead_letters() == []


async def test_a_deferred_job_succeeds_when_its_delay_is_over(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(body(), tries=1)
        world.source.before_answering = None
        async for message in _soon(runs):
            again = jobs.decode(base64.b64decode(message.content))
            assert (again.attempts, again.last_error) == (1, "503")
            await runs.runner.process(base64.b64decode(message.content), tries=1)
        assert len(await world.audit()) == 1


async def test_an_unusable_answer_dead_letters_the_job_with_its_reason_and_failures(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(UnusableError("the index has no list of videos"))
        await runs.runner.process(body(attempts=3, last_error="503"), tries=2)
        (message,) = await runs.dead_letters()
        assert message.reason == "the index has no list of videos"
        assert (message.poisoned_at, message.tries) == (NOW, 2)
        dead = job_of(message)
        assert (dead.video_id, dead.attempts, dead.last_error) == (VIDEO_ID, 3, "503")
        assert await runs.waiting() == 0


async def test_a_job_that_failed_for_a_day_is_dead_lettered(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(body(first_failed_at=NOW - timedelta(days=1)), tries=1)
        (message,) = await runs.dead_letters()
        assert message.reason == "503"


async def test_a_job_that_waited_on_the_queue_for_days_is_deferred_at_its_first_failure(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(body(received_at=NOW - timedelta(days=5)), tries=1)
        assert (await runs.waiting(), await runs.dead_letters()) == (1, [])


@pytest.mark.parametrize(
    "error", [HttpResponseError("secret"), ServiceRequestError("secret"), TimeoutError("secret")]
)
async def test_a_failure_of_storage_defers_a_job_and_costs_no_try(
    insights: InsightsStorage, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(error)
        await runs.runner.process(body(), tries=MAX_TRIES)
        assert (await runs.waiting(), await runs.dead_letters()) == (1, [])
        assert "secret" not in caplog.text


async def test_work_that_takes_too_long_is_deferred_before_the_host_ends_it(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(_: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("keywire.jobs.worker.WORK_SECONDS", 0.3)
    async with World(insights, A) as world, Runs(insights, world) as runs:
        world.source.before_answering = wait
        await runs.runner.process(body(), tries=1)
        assert (await runs.waiting(), await runs.dead_letters()) == (1, [])


def test_an_invocation_ends_before_the_hosts_timeout() -> None:
    settings = json.loads((PROJECT / "host.json").read_text())
    minutes, seconds = map(int, settings["functionTimeout"].split(":")[1:])
    assert minutes * 60 + seconds > worker.WORK_SECONDS + worker.SEND_SECONDS


@pytest.mark.parametrize("message", [b"", b"not json", b"\xff\xfe", b'{"videoId": "../etc"}'])
async def test_a_message_that_is_not_a_job_is_dead_lettered_as_it_came(
    insights: InsightsStorage, message: bytes
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(message, tries=1)
        (dead,) = await runs.dead_letters()
        assert base64.b64decode(dead.message or "") == message
        assert dead.reason.startswith("not an extraction job")


async def test_a_job_of_a_newer_version_is_deferred_unchanged(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keywire.jobs.worker.NEWER_DELAY", timedelta())
    newer = body().replace(b'"jobVersion":1', '"jobVersion":2,"later":["ß"]'.encode())
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(newer, tries=MAX_TRIES)
        (message,) = await runs.queue.peek_messages()
        assert base64.b64decode(message.content) == newer
        assert never_expires(message)
        assert (world.source.asked, await runs.dead_letters()) == (0, [])


@pytest.mark.parametrize("received_at", [b'"2026-03-01T09:15:00Z"', b'"yesterday"'])
async def test_a_job_of_a_newer_version_that_is_a_day_old_is_dead_lettered_unchanged(
    insights: InsightsStorage, received_at: bytes
) -> None:
    newer = body().replace(b'"jobVersion":1', b'"jobVersion":2')
    newer = newer.replace(b'"2026-03-02T09:15:00Z"', received_at)
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(newer, tries=1)
        (message,) = await runs.dead_letters()
        assert base64.b64decode(message.message or "") == newer
        assert "newer" in message.reason
        assert await runs.waiting() == 0


async def test_unknown_fields_survive_deferral_and_the_poison_queue(
    insights: InsightsStorage,
) -> None:
    written = body()[:-1] + b',"later":{"a":1}}'
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(written, tries=1)
        runs.fail(UnusableError("no"))
        async for message in _soon(runs):
            assert json.loads(base64.b64decode(message.content))["later"] == {"a": 1}
            await runs.runner.process(base64.b64decode(message.content), tries=1)
        (message,) = await runs.poison.peek_messages()
        assert json.loads(base64.b64decode(message.content))["job"]["later"] == {"a": 1}


async def test_an_unexpected_failure_is_raised_until_the_last_try(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(RuntimeError("the extraction is on fire"))
        runner = runs.runner
        for tries in range(1, MAX_TRIES):
            with pytest.raises(RuntimeError):
                await runner.process(body(), tries=tries)
        await runner.process(body(), tries=MAX_TRIES)
        (message,) = await runs.dead_letters()
        assert message.reason == "RuntimeError: the extraction is on fire"
        assert message.tries == MAX_TRIES


def test_the_last_try_is_the_last_one_of_the_host() -> None:
    settings = json.loads((PROJECT / "host.json").read_text())
    assert settings["extensions"]["queues"]["maxDequeueCount"] == MAX_TRIES


@pytest.mark.parametrize(("code", "not_found"), [("VIDEO_REMOVED", 0), ("BREAKDOWN_NOT_FOUND", 1)])
async def test_a_removed_video_leaves_a_tombstone_without_name_and_keywords(
    insights: InsightsStorage, code: str, not_found: int
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        runs.fail(GoneError("gone", status=400, code=code))
        await runs.runner.process(body(not_found=not_found), tries=1)
        await runs.runner.process(body(not_found=not_found), tries=1)
        tombstone, _, _ = await world.current()
        assert (tombstone.version, tombstone.state) == (2, "Removed")
        assert _says_nothing(tombstone)
        assert [event.type for event in await world.audit()] == [
            "keywire.keywords.extracted.v1",
            "keywire.keywords.removed.v1",
        ]
        world.source.before_answering = None
        await runs.runner.process(body(), tries=1)
        again, _, _ = await world.current()
        assert (again.version, again.state) == (3, "Processed")


async def test_a_video_that_is_not_found_is_asked_for_again_before_it_counts_as_removed(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        runs.fail(GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND"))
        await runs.runner.process(body(), tries=1)
        document, _, _ = await world.current()
        assert document.state == "Processed"
        assert await runs.waiting() == 1


async def test_a_video_that_never_existed_leaves_nothing(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(GoneError("gone", status=400, code="VIDEO_REMOVED"))
        await runs.runner.process(body(), tries=1)
        assert await world.outbox().documents.read(VIDEO_ID) is None
        assert (await runs.waiting(), await runs.dead_letters()) == (0, [])


async def test_not_founds_are_counted_by_themselves(insights: InsightsStorage) -> None:
    """A job that was deferred for other reasons still asks once more before a video counts as removed."""
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        runs.fail(GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND"))
        await runs.runner.process(body(attempts=7), tries=1)
        document, _, _ = await world.current()
        assert document.state == "Processed"


async def test_a_page_that_is_done_leaves_nothing_behind(insights: InsightsStorage) -> None:
    async with Pages(insights) as pages:
        await pages.runner.process(json.dumps(PAGE).encode(), tries=1)
        assert [page.operation_id for page in pages.done] == ["0" * 32]
        assert await dead_letters(pages.poison) == []


async def test_a_page_that_is_throttled_is_deferred_and_costs_no_try(insights: InsightsStorage) -> None:
    error = ThrottledError("the quota is used up")
    error.retry_after = 0.8
    async with Pages(insights, error) as pages:
        await pages.runner.process(json.dumps(PAGE).encode(), tries=MAX_TRIES)
        assert await dead_letters(pages.poison) == []

        async def visible() -> bytes | None:
            message = await pages.queue.receive_message()
            return base64.b64decode(message.content) if message else None

        deferred = rematch_orders.decode_page(await eventually(visible, "the page is visible again"))
        assert (deferred.operation_id, deferred.attempts) == ("0" * 32, 0)


@pytest.mark.parametrize("body", [b"", b"Montoya", b"\xff", b'{"Montoya": 1}', b"[" * 10_000, b"x" * 40_000])
async def test_a_message_that_is_not_a_page_is_dead_lettered_with_a_reason_that_does_not_quote_it(
    insights: InsightsStorage, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with Pages(insights) as pages:
        await pages.runner.process(body, tries=1)
        (message,) = await dead_letters(pages.poison)
        assert message.reason.startswith("not a page of a rematch")
        assert (message.poisoned_at, message.tries) == (NOW, 1)
        assert body.startswith(base64.b64decode(message.message or ""))
        assert "Montoya" not in message.reason + caplog.text


@pytest.mark.parametrize(
    ("ordered", "waits"), [("2026-03-02T09:00:00Z", True), ("2026-02-27T09:00:00Z", False)]
)
async def test_a_page_of_a_newer_version_waits_for_an_instance_that_knows_it(
    insights: InsightsStorage, ordered: str, *, waits: bool
) -> None:
    async with Pages(insights) as pages:
        body = json.dumps(PAGE | {"messageVersion": 2, "later": 1, "orderedAt": ordered}).encode()
        await pages.runner.process(body, tries=1)
        properties = await pages.queue.get_queue_properties()
        assert properties.approximate_message_count == int(waits)
        assert len(await dead_letters(pages.poison)) == int(not waits)


async def test_a_page_that_fails_unexpectedly_is_dead_lettered_after_the_last_try(
    insights: InsightsStorage,
) -> None:
    async with Pages(insights, RuntimeError("the code is on fire")) as pages:
        body = json.dumps(PAGE).encode()
        for tries in range(1, MAX_TRIES):
            with pytest.raises(RuntimeError):
                await pages.runner.process(body, tries=tries)
        assert await dead_letters(pages.poison) == []
        await pages.runner.process(body, tries=MAX_TRIES)
        (message,) = await dead_letters(pages.poison)
        assert (message.reason, message.tries) == ("RuntimeError: the code is on fire", MAX_TRIES)
        assert isinstance(message.job, msgspec.Raw)
        assert rematch_orders.decode_page(bytes(message.job)).operation_id == "0" * 32


def _says_nothing(document: KeywordDocument) -> bool:
    said = (document.name, document.external_id, document.metadata, document.language, document.keywords)
    return said == (None, None, None, None, ())


async def _soon(runs: Runs) -> AsyncIterator[QueueMessage]:
    """The messages that become visible within the few seconds that they were put off."""
    while await runs.waiting():
        async for message in runs.queue.receive_messages(visibility_timeout=30):
            yield message
            await runs.queue.delete_message(message)

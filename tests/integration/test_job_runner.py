"""Jobs from the queue's message to their end, on real queues."""

import base64
import dataclasses
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from emulators.framework.checkout import PROJECT
from keywire.destinations.destinations import Destinations
from keywire.documents.document import KeywordDocument
from keywire.extraction.worker import ExtractionWorker
from keywire.jobs import job as jobs
from keywire.jobs.poison import MAX_TRIES, PoisonMessage, PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.signals.last_seen import LastSignals
from keywire.storage.layout import CONTROL_CONTAINER
from keywire.video_indexer.errors import (
    GoneError,
    NotReadyError,
    TransientError,
    UnusableError,
    VideoIndexerError,
)
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.own_queues import OwnQueues
from tests.support.world import World, job

A = index([keyword("one")])
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


class Runs(OwnQueues):
    """A world whose jobs come from queues of its own."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        self.world = world
        super().__init__(insights, f"jobs-{world.account_id[:8]}")
        self.runner = ExtractionWorker(
            extraction=world.extraction(),
            queue=JobQueue(self.queue),
            poison=PoisonQueue(self.poison),
            last_signals=LastSignals(insights.blobs.get_container_client(CONTROL_CONTAINER)),
            clock=lambda: NOW,
            jitter=lambda: 0.5,
        )

    def fail(self, error: VideoIndexerError) -> None:
        async def refuse(_: int) -> None:
            raise error

        self.world.source.before_answering = refuse

    async def waiting(self) -> int:
        return (await self.queue.get_queue_properties()).approximate_message_count or 0

    async def given_up(self) -> list[PoisonMessage]:
        return [
            msgspec.json.decode(base64.b64decode(message.content), type=PoisonMessage)
            for message in await self.poison.peek_messages(max_messages=32)
        ]


def body(**fields: object) -> bytes:
    return jobs.encode(msgspec.structs.replace(job(), received_at=NOW, **fields)).encode()


async def test_a_job_that_ends_leaves_nothing_behind(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        assert (await runs.waiting(), await runs.given_up()) == (0, [])
        assert len(await world.audit()) == 1


async def test_a_job_that_has_to_wait_is_put_off_unseen(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(NotReadyError("video is Processing"))
        await runs.runner.process(body(), tries=1)
        assert await runs.waiting() == 1
        assert await runs.queue.peek_messages() == []
        assert await runs.given_up() == []


async def test_a_job_that_was_put_off_ends_when_its_time_has_come(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(body(), tries=1)
        world.source.before_answering = None
        async for message in _soon(runs):
            again = jobs.decode(base64.b64decode(message.content))
            assert (again.attempts, again.last_error) == (1, "503")
            await runs.runner.process(base64.b64decode(message.content), tries=1)
        assert len(await world.audit()) == 1


async def test_what_can_not_be_used_is_given_up_with_its_reason_and_its_history(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(UnusableError("the index has no list of videos"))
        await runs.runner.process(body(attempts=3, last_error="503"), tries=2)
        (message,) = await runs.given_up()
        assert message.reason == "the index has no list of videos"
        assert (message.poisoned_at, message.tries) == (NOW, 2)
        assert message.job is not None
        assert (message.job.video_id, message.job.attempts, message.job.last_error) == (VIDEO_ID, 3, "503")
        assert await runs.waiting() == 0


async def test_a_job_that_waited_for_a_day_is_given_up(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(TransientError("503"))
        await runs.runner.process(
            jobs.encode(msgspec.structs.replace(job(), received_at=NOW - timedelta(days=1))).encode(), tries=1
        )
        (message,) = await runs.given_up()
        assert message.reason == "503"


@pytest.mark.parametrize("message", [b"", b"not json", b"\xff\xfe", b'{"videoId": "../etc"}'])
async def test_a_message_that_is_no_job_is_given_up_as_it_came(
    insights: InsightsStorage, message: bytes
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(message, tries=1)
        (given_up,) = await runs.given_up()
        assert base64.b64decode(given_up.message or "") == message
        assert given_up.reason.startswith("not an extraction job")


async def test_a_job_of_a_newer_version_waits_as_it_came_for_an_instance_that_knows_it(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keywire.extraction.worker.NEWER_DELAY", timedelta())
    newer = body().replace(b'"jobVersion":1', '"jobVersion":2,"later":["ß"]'.encode())
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(newer, tries=MAX_TRIES)
        (message,) = await runs.queue.peek_messages()
        assert base64.b64decode(message.content) == newer
        assert message.expires_on is not None
        assert message.expires_on.year == 9999
        assert (world.source.asked, await runs.given_up()) == (0, [])


@pytest.mark.parametrize("received_at", [b'"2026-03-01T09:15:00Z"', b'"yesterday"'])
async def test_a_job_that_no_newer_instance_took_for_a_day_is_given_up_as_it_came(
    insights: InsightsStorage, received_at: bytes
) -> None:
    newer = body().replace(b'"jobVersion":1', b'"jobVersion":2')
    newer = newer.replace(b'"2026-03-02T09:15:00Z"', received_at)
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(newer, tries=1)
        (given_up,) = await runs.given_up()
        assert base64.b64decode(given_up.message or "") == newer
        assert "newer" in given_up.reason
        assert await runs.waiting() == 0


async def test_what_a_newer_version_wrote_in_a_job_is_there_when_it_was_put_off_or_given_up(
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


async def test_what_nobody_foresaw_is_raised_until_the_last_try_and_then_given_up(
    insights: InsightsStorage,
) -> None:
    class Broken:
        name = "broken"

        async def publish(self, _: object) -> None:
            raise RuntimeError("the destination is on fire")

    async with World(insights, A) as world, Runs(insights, world) as runs:
        extraction = dataclasses.replace(runs.runner.extraction, destinations=Destinations(Broken()))
        runner = dataclasses.replace(runs.runner, extraction=extraction)
        for tries in range(1, MAX_TRIES):
            with pytest.raises(RuntimeError):
                await runner.process(body(), tries=tries)
        await runner.process(body(), tries=MAX_TRIES)
        (message,) = await runs.given_up()
        assert message.reason == "RuntimeError: the destination is on fire"
        assert message.tries == MAX_TRIES


def test_the_last_try_is_the_hosts_last_try() -> None:
    settings = json.loads((PROJECT / "host.json").read_text())
    assert settings["extensions"]["queues"]["maxDequeueCount"] == MAX_TRIES


@pytest.mark.parametrize(("code", "attempts"), [("VIDEO_REMOVED", 0), ("BREAKDOWN_NOT_FOUND", 1)])
async def test_a_removed_video_leaves_a_tombstone_without_name_and_keywords(
    insights: InsightsStorage, code: str, attempts: int
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        runs.fail(GoneError("gone", status=400, code=code))
        await runs.runner.process(body(attempts=attempts), tries=1)
        await runs.runner.process(body(attempts=attempts), tries=1)
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


async def test_a_video_that_is_not_found_is_asked_about_again_before_it_counts_as_removed(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        await runs.runner.process(body(), tries=1)
        runs.fail(GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND"))
        await runs.runner.process(body(), tries=1)
        document, _, _ = await world.current()
        assert document.state == "Processed"
        assert await runs.waiting() == 1


async def test_a_video_that_never_was_leaves_nothing(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Runs(insights, world) as runs:
        runs.fail(GoneError("gone", status=400, code="VIDEO_REMOVED"))
        await runs.runner.process(body(), tries=1)
        assert await world.store.read(VIDEO_ID) is None
        assert (await runs.waiting(), await runs.given_up()) == (0, [])


def _says_nothing(document: KeywordDocument) -> bool:
    said = (document.name, document.external_id, document.metadata, document.language, document.keywords)
    return said == (None, None, None, None, ())


async def _soon(runs: Runs):  # noqa: ANN202
    """The messages that become visible within the few seconds that they were put off."""
    while await runs.waiting():
        async for message in runs.queue.receive_messages(visibility_timeout=30):
            yield message
            await runs.queue.delete_message(message)

"""Replays and the keeping of poison, on real queues."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keywire import jobs, poison
from keywire.extraction import Outcome
from keywire.job_queue import JobQueue
from keywire.poison import PoisonQueue
from keywire.poison_keeper import CRASHED, NO_BASE64, PoisonKeeper
from keywire.replay import InvalidReplayError, Replay, read_request
from keywire.settings import CONTROL_CONTAINER, KEYWORDS_CONTAINER
from local.storage import InsightsStorage
from tests.integration.world import World, job
from tests.unit.builders import VIDEO_ID, index, keyword

A = index([keyword("one")])
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Operator:
    """Replays of a world, with queues of their own."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        name = f"replay-{uuid.uuid4().hex[:8]}"
        self.queue = insights.queue(name)
        self.raw = insights.queues.get_queue_client(f"{name}-poison")
        self.poison = insights.queue(f"{name}-poison")
        self.control = insights.blobs.get_container_client(CONTROL_CONTAINER)
        self.replay = Replay(
            queue=JobQueue(self.queue),
            poison=lambda _: self.raw,
            documents=insights.blobs.get_container_client(KEYWORDS_CONTAINER),
            control=self.control,
            account_id=world.account_id,
            clock=lambda: NOW,
        )

    async def __aenter__(self) -> "Operator":  # noqa: PYI034
        await self.queue.create_queue()
        await self.raw.create_queue()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.queue.delete_queue()
        await self.raw.delete_queue()

    async def run(self, **request: Any) -> tuple[int, int, bool]:
        asked = read_request(json.dumps(request).encode())
        result = await self.replay.run(asked, operation_id=uuid.uuid4().hex, traceparent=TRACE)
        return result.jobs, result.unreadable, result.more

    async def queued(self) -> list[jobs.ExtractionJob]:
        return [
            jobs.decode(base64.b64decode(message.content))
            for message in await self.queue.peek_messages(max_messages=32)
        ]

    async def poisoned(self) -> list[Any]:
        return list(await self.raw.peek_messages(max_messages=32))


async def test_named_videos_are_asked_about_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        assert await operator.run(videos=["a", "b", "a"], dryRun=True) == (2, 0, False)
        assert await operator.queued() == []
        assert await operator.run(videos=["a", "b", "a"]) == (2, 0, False)
        queued = await operator.queued()
        assert [(each.video_id, each.signal, each.traceparent) for each in queued] == [
            ("a", "replay", TRACE),
            ("b", "replay", TRACE),
        ]


async def test_a_replayed_video_sends_the_same_bytes_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        await world.run()
        first = await world.queued()
        await operator.run(videos=[VIDEO_ID])
        (again,) = await operator.queued()
        assert await world.extraction().run(again) is Outcome.UNCHANGED
        assert await world.queued() == first


async def test_a_time_range_takes_the_documents_that_answer_for_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        moment = datetime(2026, 3, 2, 8, tzinfo=UTC)
        await world.run(as_of=moment)
        hour = timedelta(hours=1)
        inside = {"from": moment.isoformat(), "to": (moment + hour).isoformat()}
        before = {"from": (moment - hour).isoformat(), "to": moment.isoformat()}
        assert await operator.run(**inside) == (1, 0, False)
        assert await operator.run(**before) == (0, 0, False)


async def test_a_poison_queue_is_replayed_whoever_wrote_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        ours = poison.of_job(job(video_id="ours"), "503", now=NOW, tries=1)
        await PoisonQueue(operator.poison).send(ours)
        await operator.poison.send_message(jobs.encode(job(video_id="hosts")))
        await PoisonQueue(operator.poison).send(poison.of_body(b"?", "no job", now=NOW, tries=1))
        await operator.raw.send_message("{no base64}")
        assert await operator.run(poison="extraction", dryRun=True) == (4, 0, False)
        assert await operator.run(poison="extraction") == (2, 2, False)
        assert sorted(each.video_id for each in await operator.queued()) == ["hosts", "ours"]
        properties = await operator.raw.get_queue_properties()
        assert properties.approximate_message_count == 2


async def test_every_replay_is_noted(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        asked = read_request(b'{"videos": ["a"]}')
        await operator.replay.run(asked, operation_id="op1", traceparent=TRACE)
        noted = json.loads(
            await (await operator.control.download_blob("replays/2026-03-02/op1.json")).readall()
        )
        assert noted["request"]["videos"] == ["a"]
        assert noted["result"]["jobs"] == 1
        assert noted["when"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"videos": []}',
        b'{"videos": ["../x"]}',
        b'{"videos": ["a"], "poison": "extraction"}',
        b'{"poison": "events"}',
        b'{"from": "2026-03-02T08:00:00Z"}',
        b'{"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T08:00:00Z"}',
        b'{"from": "2026-03-02T08:00:00", "to": "2026-03-03T08:00:00"}',
    ],
)
def test_what_is_no_replay_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(InvalidReplayError, match="not a replay"):
        read_request(body)


async def test_what_the_host_gave_up_is_taken_over_with_what_is_known_and_stays(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        await operator.poison.send_message(jobs.encode(job()))
        await operator.raw.send_message("{no base64}")
        kept = poison.of_job(job(video_id="kept"), "503", now=NOW, tries=5)
        await PoisonQueue(operator.poison).send(kept)
        keeper = PoisonKeeper(queues=[operator.raw], encoded=[operator.poison], clock=lambda: NOW)
        assert await keeper.run() == 2
        messages = await operator.poisoned()
        assert all(message.expires_on.year == 9999 for message in messages)
        told = [json.loads(base64.b64decode(message.content)) for message in messages]
        assert sorted(each["reason"] for each in told) == sorted([CRASHED, NO_BASE64, "503"])
        assert await keeper.run() == 0

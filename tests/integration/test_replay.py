"""Replays and the poison keeper, on real queues."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from keywire.destinations.event_batch import EventBatch
from keywire.extraction.extraction import Outcome
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.message import without_failures
from keywire.jobs.poison import PoisonQueue
from keywire.jobs.poison_keeper import CRASHED, NOT_BASE64, PAGE, PoisonKeeper
from keywire.jobs.queue import MessageQueue
from keywire.operations import replay
from keywire.operations.replay import InvalidReplayError, Replay, read_request
from keywire.storage.layout import CONTROL_CONTAINER, KEYWORDS_CONTAINER
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.log_records import of_video, record
from tests.support.queue_messages import never_expires
from tests.support.world import World, job

A = index([keyword("one")])
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Operator:
    """An operator who replays messages, with queues of their own."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        name = f"replay-{uuid.uuid4().hex[:8]}"
        self.queue = insights.queue(name)
        self.pages = insights.queue(f"{name}-pages")
        self.raw = insights.queues.get_queue_client(f"{name}-poison")
        self.poison = insights.queue(f"{name}-poison")
        self.account_id = world.account_id
        self.sent_to: list[str] = []
        self.control = insights.blobs.get_container_client(CONTROL_CONTAINER)
        self.replay = Replay(
            queue=self._queue_of,
            poison=lambda _: self.raw,
            documents=insights.blobs.get_container_client(KEYWORDS_CONTAINER),
            control=self.control,
            account_id=world.account_id,
            clock=lambda: NOW,
        )

    def _queue_of(self, name: str) -> MessageQueue:
        self.sent_to.append(name)
        return MessageQueue(self.queue if name in {"extraction", "backfill"} else self.pages)

    async def __aenter__(self) -> "Operator":  # noqa: PYI034
        for queue in (self.queue, self.pages, self.raw):
            await queue.create_queue()
        return self

    async def __aexit__(self, *_: object) -> None:
        for queue in (self.queue, self.pages, self.raw):
            await queue.delete_queue()

    async def poison_body(self, body: bytes) -> None:
        """Send a poison message for a body that could not be read."""
        await PoisonQueue(self.poison).send(poison.from_body(body, "no reason", now=NOW, tries=1))

    async def run(self, **request: Any) -> tuple[int, int, bool]:
        asked = read_request(json.dumps(request).encode())
        result = await self.replay.replay(asked, operation_id=uuid.uuid4().hex, traceparent=TRACE)
        return result.jobs, result.unreadable, result.more

    async def queued(self) -> list[jobs.ExtractionJob]:
        return [
            jobs.decode(base64.b64decode(message.content))
            for message in await self.queue.peek_messages(max_messages=32)
        ]

    async def poisoned(self) -> list[Any]:
        return list(await self.raw.peek_messages(max_messages=32))


async def test_a_job_is_queued_for_each_named_video(insights: InsightsStorage) -> None:
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
        assert await world.extraction().extract(again) is Outcome.UNCHANGED
        assert await world.queued() == first


async def test_a_time_range_selects_the_documents_that_answer_for_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        moment = datetime(2026, 3, 2, 8, tzinfo=UTC)
        await world.run(as_of=moment)
        hour = timedelta(hours=1)
        inside = {"from": moment.isoformat(), "to": (moment + hour).isoformat()}
        before = {"from": (moment - hour).isoformat(), "to": moment.isoformat()}
        assert await operator.run(**inside) == (1, 0, False)
        assert await operator.run(**before) == (0, 0, False)


async def test_a_time_range_of_many_documents_continues_at_its_cursor(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keywire.operations.replay.MAX_JOBS", 4)
    monkeypatch.setattr("keywire.operations.replay.PAGE_DOCUMENTS", 2)
    async with World(insights, A) as world, Operator(insights, world) as operator:
        videos = [f"video{number}" for number in range(10)]
        world.source.bodies = {video: index([keyword("one")], id=video) for video in videos}
        moment = datetime(2026, 3, 2, 8, tzinfo=UTC)
        for video in videos:
            await world.extraction().extract(job(video_id=video, as_of=moment))
        span = {"from": moment.isoformat(), "to": (moment + timedelta(hours=1)).isoformat()}
        found: list[str] = []
        cursor = None
        for _ in range(3):
            asked = read_request(json.dumps(span | ({"cursor": cursor} if cursor else {})).encode())
            result = await operator.replay.replay(asked, operation_id=uuid.uuid4().hex, traceparent=TRACE)
            found += [each.video_id for each in await operator.queued()]
            await operator.queue.clear_messages()
            cursor = result.cursor
            assert result.more == (cursor is not None)
        assert found == videos
        assert cursor is None


async def test_a_replay_for_one_destination_sends_to_no_other(insights: InsightsStorage) -> None:
    class Recording:
        def __init__(self) -> None:
            self.lists: list[str] = []

        async def send(self, batch: EventBatch) -> None:
            self.lists.append(batch.list)

    queue, topic = Recording(), Recording()
    destinations = {"queue": queue, "event-grid": topic}
    async with World(insights, A) as world, Operator(insights, world) as operator:
        extraction = world.extraction(destinations=destinations)
        await extraction.extract(job())
        await world.set_interests({"id": "one", "name": "One", "anyOf": ["one"]})
        await world.rematch(destinations=destinations)
        assert len(topic.lists) == 2
        await operator.run(videos=[VIDEO_ID], destination="event-grid")
        (again,) = await operator.queued()
        _, _, before = await world.current()
        await extraction.extract(again)
        _, _, after = await world.current()
        assert topic.lists[2:] == topic.lists[:2]
        assert queue.lists == topic.lists[:2]
        assert {**before, "asof": ""} == {**after, "asof": ""}


async def test_poison_messages_of_keywire_and_of_the_host_are_replayed(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        ours = poison.from_message(jobs.encode(job(video_id="ours")), "503", now=NOW, tries=1)
        await PoisonQueue(operator.poison).send(ours)
        await operator.poison.send_message(jobs.encode(job(video_id="hosts")))
        await PoisonQueue(operator.poison).send(poison.from_body(b"?", "no job", now=NOW, tries=1))
        await operator.raw.send_message("{not base64}")
        assert await operator.run(poison="extraction", dryRun=True) == (4, 0, False)
        assert await operator.run(poison="extraction") == (2, 2, False)
        assert sorted(each.video_id for each in await operator.queued()) == ["hosts", "ours"]
        properties = await operator.raw.get_queue_properties()
        assert properties.approximate_message_count == 2


async def test_a_replayed_job_keeps_its_reference_and_unknown_fields(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        fields = json.loads(jobs.encode(job())) | {"reference": "cms-1", "attempts": 7, "later": [1]}
        failed = jobs.decode(json.dumps(fields).encode())
        await PoisonQueue(operator.poison).send(
            poison.from_message(jobs.encode(failed), "503", now=NOW, tries=1)
        )
        await operator.poison.send_message(json.dumps(fields))
        assert await operator.run(poison="extraction") == (2, 0, False)
        for again in await operator.queued():
            assert (again.signal, again.received_at, again.attempts, again.as_of) == ("replay", NOW, 0, None)
            assert (again.reference, again.further) == ("cms-1", b'{"later":[1]}')


async def test_a_job_without_base64_or_with_line_breaks_is_replayed(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        written = jobs.encode(job(video_id="plain"))
        await operator.raw.send_message(written)
        await operator.raw.send_message(base64.encodebytes(written.encode()).decode())
        await operator.poison_body(written.encode())
        assert await operator.run(poison="backfill") == (3, 0, False)
        assert {each.video_id for each in await operator.queued()} == {"plain"}
        assert set(operator.sent_to) == {"backfill"}


async def test_a_job_of_a_newer_version_stays_in_the_poison_queue(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        newer = json.loads(jobs.encode(job(video_id="newer"))) | {"jobVersion": 2}
        await operator.poison_body(json.dumps(newer).encode())
        assert await operator.run(poison="extraction") == (0, 1, False)
        assert (await operator.raw.get_queue_properties()).approximate_message_count == 1


def log_record(account_id: str, video_id: str) -> bytes:
    return json.dumps(record(properties=of_video(video_id, account_id))).encode()


async def test_readable_records_of_the_log_are_replayed_as_jobs(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        good = log_record(operator.account_id, "a")
        several = (
            b"[" + log_record(operator.account_id, "b") + b"," + log_record(operator.account_id, "c") + b"]"
        )
        for body in (good, several, b"[" + good + b", 5]", b"Montoya", log_record(str(uuid.uuid4()), "d")):
            await operator.poison_body(body)
        assert await operator.run(poison="diagnostics") == (3, 3, False)
        assert sorted((each.video_id, each.signal) for each in await operator.queued()) == [
            ("a", "replay"),
            ("b", "replay"),
            ("c", "replay"),
        ]
        assert (await operator.raw.get_queue_properties()).approximate_message_count == 3


PAGES = {
    "rematch": {
        "operationId": "0" * 32,
        "request": {"interests": ["ß"]},
        "traceparent": None,
        "page": 3,
        "attempts": 4,
    },
    "backfill-pages": {
        "operationId": "0" * 32,
        "request": {},
        "traceparent": None,
        "cursor": {"skip": 5, "pages": 0, "tail": [], "stepsBack": 0},
    },
    "deliver-event-grid": {
        "videoId": "a",
        "version": 1,
        "edition": 2,
        "list": "e000002-0f1e2d3c4b5a.events.ndjson",
        "sentAt": "2026-03-02T09:15:00Z",
    },
}


@pytest.mark.parametrize(("name", "page"), PAGES.items())
async def test_a_page_goes_back_to_its_queue_without_its_failures(
    insights: InsightsStorage, name: replay.PoisonedQueue, page: dict[str, Any]
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        body = json.dumps(page)
        await operator.poison_body(body.encode())
        await operator.poison.send_message(body)
        await operator.poison_body(json.dumps(page | {"messageVersion": 2}).encode())
        await operator.poison_body(jobs.encode(job()).encode())
        assert await operator.run(poison=name) == (2, 2, False)
        messages = await operator.pages.peek_messages(max_messages=32)
        decode = replay._DECODE[name]
        again = [decode(base64.b64decode(each.content)) for each in messages]
        assert again == 2 * [without_failures(decode(body.encode()))]
        assert set(operator.sent_to) == {name}
        assert all(never_expires(each) for each in messages)
        assert await operator.queued() == []


async def test_every_replay_is_recorded(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        asked = read_request(b'{"videos": ["a"]}')
        await operator.replay.replay(asked, operation_id="op1", traceparent=TRACE)
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
        b'{"videos": ["a"], "cursor": "x"}',
        b'{"poison": "extraction", "destination": "queue"}',
        b'{"videos": ["a"], "destination": "unknown"}',
    ],
)
def test_an_invalid_replay_request_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(InvalidReplayError, match="not a replay"):
        read_request(body)


async def test_a_poison_message_of_the_host_gets_a_reason_and_does_not_expire(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        await operator.poison.send_message(jobs.encode(job()))
        await operator.raw.send_message("{not base64}")
        kept = poison.from_message(jobs.encode(job(video_id="kept")), "503", now=NOW, tries=5)
        await PoisonQueue(operator.poison).send(kept)
        keeper = PoisonKeeper(queues=[operator.raw], encoded=[operator.poison], clock=lambda: NOW)
        assert await keeper.rewrite() == 2
        messages = await operator.poisoned()
        assert all(never_expires(message) for message in messages)
        contents = [json.loads(base64.b64decode(message.content)) for message in messages]
        assert sorted(each["reason"] for each in contents) == sorted([CRASHED, NOT_BASE64, "503"])
        assert await keeper.rewrite() == 0


async def test_expiring_messages_are_found_behind_any_number_of_others(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        for number in range(3 * PAGE):
            await operator.poison_body(b"%d" % number)
        await operator.raw.send_message("{not base64}")
        keeper = PoisonKeeper(queues=[operator.raw], encoded=[operator.poison], clock=lambda: NOW)
        assert await keeper.rewrite() == 1
        shown = 0
        async for _ in operator.raw.receive_messages(messages_per_page=32):
            shown += 1
        assert shown == 3 * PAGE + 1  # all are visible again


@pytest.mark.parametrize(
    "content", ["", " ", "x" * 64 * 1024, "ß" * 1000, "Zm9v\r\n", base64.b64encode(b"x" * 48 * 1024).decode()]
)
async def test_any_message_is_rewritten_and_does_not_block_others(
    insights: InsightsStorage, content: str
) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        await operator.raw.send_message(content)
        await operator.poison.send_message(jobs.encode(job()))
        keeper = PoisonKeeper(queues=[operator.raw], encoded=[operator.poison], clock=lambda: NOW)
        assert await keeper.rewrite() == 2
        assert all(never_expires(message) for message in await operator.poisoned())


async def test_a_missing_queue_is_raised_after_the_others_are_rewritten(insights: InsightsStorage) -> None:
    async with World(insights, A) as world, Operator(insights, world) as operator:
        gone, gone_encoded = insights.queues.get_queue_client("never-made"), insights.queue("never-made")
        await operator.raw.send_message("{not base64}")
        keeper = PoisonKeeper(queues=[gone, operator.raw], encoded=[gone_encoded, operator.poison])
        with pytest.raises(ResourceNotFoundError):
            await keeper.rewrite()
        (message,) = await operator.poisoned()
        assert never_expires(message)

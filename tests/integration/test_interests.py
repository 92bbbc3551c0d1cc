"""Interests on real storage: events about them, their file, and rematches."""

import asyncio
import json
import logging
import random
from collections.abc import Iterable
from typing import Any

import pytest

from keywire.documents.document import KeywordDocument
from keywire.extraction.extraction import Outcome
from keywire.interests.source import InterestSource
from keywire.operations.rematch import Counts
from keywire.versions.store import BlobDocumentStore, ConflictError, EventList
from local.storage import InsightsStorage
from tests.integration.test_extraction import Crash, Crashing
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.world import World, job

A = index([keyword("film festivals"), keyword("robots")])
B = index([keyword("robots"), keyword("harbour")])
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def interest(name: str, *terms: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "anyOf": list(terms or (name,)), **fields}


FESTIVALS = interest("festivals", "festival", attributes={"campaign": "spring", "iab": ["IAB1-5"]})
ROBOTS = interest("robots", "robot")


def told(lines: Iterable[bytes]) -> list[tuple[str, str, str]]:
    """Type, sequence and interest of events about interests, each once, sorted."""
    events = [json.loads(line) for line in set(lines)]
    return sorted(
        (event["type"].split(".")[2], event["sequence"].lstrip("0"), event["data"]["interest"]["id"])
        for event in events
        if "interest" in event["data"]
    )


async def stored(world: World) -> list[bytes]:
    history = await world.history()
    return [line for name, body in history.items() if "events" in name for line in body.splitlines()]


async def test_an_interest_that_matches_is_told_with_why_and_where(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS, interest("weather"))
        await world.run()
        (event,) = [json.loads(line) for line in await stored(world) if b"interest.matched" in line]
        assert event["type"] == "keywire.interest.matched.v1"
        assert event["subject"] == f"videos/{VIDEO_ID}/interests/festivals"
        assert event["dataschema"] == "urn:keywire:schema:keywire.interest.matched.v1"
        data = event["data"]
        assert data["interest"]["attributes"] == {"campaign": "spring", "iab": ["IAB1-5"]}
        (term,) = data["terms"]
        assert (term["term"], term["text"], term["confidence"]) == ("festival", "film festivals", 0.9)
        assert term["ranges"] == [[1, 3]]
        assert 0 < data["score"] <= 1
        assert len(await world.audit()) == 2


async def test_an_interest_that_no_longer_matches_is_withdrawn_with_its_former_match(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS, ROBOTS)
        await world.run()
        world.source.body = B
        await world.run()
        lines = await stored(world)
        assert told(lines) == [
            ("matched", "1", "festivals"),
            ("matched", "1", "robots"),
            ("matched", "2", "robots"),
            ("withdrawn", "2", "festivals"),
        ]
        events = [json.loads(line) for line in lines]
        former = next(event for event in events if event["subject"].endswith("/festivals"))
        assert "matched" in former["type"]
        gone = next(event for event in events if "withdrawn" in event["type"])
        assert gone["data"]["former"]["eventId"] == former["id"]
        assert gone["data"]["former"]["version"] == 1
        assert gone["data"]["former"]["terms"] == former["data"]["terms"]
        assert gone["data"]["interest"] == former["data"]["interest"]
        await world.audit()


async def test_a_failed_reindex_withdraws_nothing_and_the_next_one_is_told_against_what_held_before(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        for body in (index(None, state="Failed"), index(None, state="Quarantined"), B):
            world.source.body = body
            assert await world.run() is Outcome.PUBLISHED
        assert told(await stored(world)) == [("matched", "1", "festivals"), ("withdrawn", "4", "festivals")]
        await world.audit()


async def test_a_changed_file_is_looked_at_after_half_a_minute(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        before = await world.interests.matcher()
        await world.interests.file.upload_blob(json.dumps({"interests": [ROBOTS]}), overwrite=True)
        assert await world.interests.matcher() is before
        world.time += 29
        assert await world.interests.matcher() is before
        world.time += 1
        assert (await world.interests.matcher()).get("robots") is not None


async def test_an_unchanged_file_is_not_read_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        before = await world.interests.matcher()
        world.time += 100
        assert await world.interests.matcher() is before


@pytest.mark.parametrize("broken", [b"{", b'{"interests": [{"id": "x"}]}', b"\xff"])
async def test_a_broken_file_changes_nothing_and_is_told_once(
    insights: InsightsStorage, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "keywire")
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        for _ in range(3):
            await world.set_interests(body=broken)
            assert (await world.interests.matcher()).get("festivals") is not None
        assert world.interests.problem
        assert len([record for record in caplog.records if "config/" in record.getMessage()]) == 1
        # Who starts meanwhile has the last good one too, and withdraws nothing.
        newcomer = InterestSource(
            file=world.interests.file, last_good=world.interests.last_good, status=world.interests.status
        )
        assert (await newcomer.matcher()).get("festivals") is not None
        assert newcomer.problem
        await world.set_interests(ROBOTS)
        assert (await world.interests.matcher()).get("robots") is not None
        assert world.interests.problem is None


async def test_no_file_at_all_is_no_interests(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        assert await world.run() is Outcome.PUBLISHED
        assert len(await world.interests.matcher()) == 0
        assert len(await world.audit()) == 1


async def test_a_file_that_goes_away_leaves_its_interests_in_force(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.interests.matcher()
        await world.interests.file.delete_blob()
        world.time += 30
        assert (await world.interests.matcher()).get("festivals") is not None
        assert "no such file" in str(world.interests.problem)


async def test_a_rematch_tells_what_is_new_and_nothing_twice(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        await world.set_interests(ROBOTS)
        rematch = world.rematch()
        would = await rematch.rematch(VIDEO_ID, only=None, dry_run=True, traceparent=TRACE)
        assert would == Counts(documents=1, matched=1, withdrawn=1)
        assert told(await stored(world)) == [("matched", "1", "festivals")]
        assert await rematch.rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE) == would
        assert await rematch.rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE) == Counts(
            documents=1
        )
        assert told(await stored(world)) == [
            ("matched", "1", "festivals"),
            ("matched", "1", "robots"),
            ("withdrawn", "1", "festivals"),
        ]
        assert world.source.asked == 1
        await world.audit()


async def test_a_rematch_of_one_interest_leaves_the_others_alone(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        await world.set_interests(ROBOTS, interest("film"))
        counts = await world.rematch().rematch(VIDEO_ID, only=("film",), dry_run=False, traceparent=TRACE)
        assert counts == Counts(documents=1, matched=1)
        assert told(await stored(world)) == [("matched", "1", "festivals"), ("matched", "1", "film")]


async def test_an_interest_that_comes_back_is_news_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        for interests in ([FESTIVALS], [], [FESTIVALS], [], [FESTIVALS]):
            await world.set_interests(*interests)
            await world.run()
            await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        events = [json.loads(line) for line in await stored(world)]
        types = [event["type"].split(".")[2] for event in events]
        assert (types.count("matched"), types.count("withdrawn")) == (3, 2)
        assert len({event["id"] for event in events}) == len(events)
        await world.audit()


async def test_an_edited_interest_is_told_anew(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        await world.set_interests(FESTIVALS | {"attributes": {"campaign": "autumn"}})
        counts = await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        assert counts == Counts(documents=1, matched=1)
        assert len(await world.audit()) == 3


async def test_the_version_after_a_rematch_is_told_against_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(FESTIVALS)
        await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        world.source.body = B
        await world.run()
        assert told(await stored(world)) == [("matched", "1", "festivals"), ("withdrawn", "2", "festivals")]
        await world.audit()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("effect", ["create_rematch", "mark", "publish", "mark_list_published"])
async def test_a_crash_around_any_effect_of_a_rematch_is_healed(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(FESTIVALS)
        dying = Crashing(world, effect, after=after)
        with pytest.raises(Crash):
            await world.rematch(dying, dying).rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        assert told(await stored(world)) == [("matched", "1", "festivals")]
        assert len(await world.audit()) == 2


async def test_rematches_and_new_versions_at_once_lose_nothing(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        festival = keyword("festival")
        bodies = [index([keyword("robots", confidence=number / 10), festival]) for number in range(5)]

        async def change(body: bytes) -> None:
            world.source.body = body
            await world.run()

        async def rematch(*interests: dict[str, Any]) -> None:
            await world.set_interests(*interests)
            await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)

        await asyncio.gather(
            *(change(body) for body in bodies),
            rematch(ROBOTS),
            rematch(ROBOTS, FESTIVALS),
            rematch(FESTIVALS),
        )
        await world.run()
        await world.rematch().rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        await world.audit()


class Overtaken(BlobDocumentStore):
    """While a rematch's list is about to be written, the video gets another version."""

    def __init__(self, world: World) -> None:
        super().__init__(world._current, world._history, world.account_id)
        self._world = world

    async def create_rematch(self, document: KeywordDocument, number: int, events: bytes) -> EventList:
        if document.version == 1:
            self._world.source.body = B
            await self._world.run()
        return await super().create_rematch(document, number, events)


async def test_a_rematch_that_is_overtaken_leaves_no_list_that_nobody_was_sent(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(ROBOTS, FESTIVALS)
        rematch = world.rematch(store=Overtaken(world))
        await rematch.rematch(VIDEO_ID, only=None, dry_run=False, traceparent=TRACE)
        assert not any("rematch" in name for name in await world.history())
        assert told(await stored(world)) == [("matched", "2", "robots")]
        await world.audit()


async def test_a_list_is_taken_away_only_before_somebody_sends_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        document, _, _ = await world.current()
        first = await world.store.create_rematch(document, 1, b"")
        second = await world.store.create_rematch(document, 2, b"")
        await world.store.claim_list(first)
        await world.store.remove_list(first)
        await world.store.remove_list(second)
        with pytest.raises(ConflictError):
            await world.store.claim_list(second)
        assert [each.name for each in await world.store.event_lists(document)][1:] == [first.name]


async def test_two_hundred_videos_twice_at_once_with_crashes_and_changing_interests_have_one_id_and_one_body(
    insights: InsightsStorage,
) -> None:
    """Every effect of a fifth of the jobs may be the last; each job is done again until it ends."""
    chance = random.Random(20260302)
    words = ["festival", "robot", "harbour", "film", "weather", "museum"]
    files = [[interest(word) for word in chance.sample(words, 3)] for _ in range(6)]
    async with World(insights, A) as world:
        videos = [f"video{number:04}" for number in range(200)]
        bodies = {
            video: index([keyword(word) for word in chance.sample(words, 3)], id=video) for video in videos
        }
        world.source.bodies = bodies

        async def deliver(video: str) -> None:
            while True:
                effect = chance.choice([*Crashing.EFFECTS, *["none"] * 20])
                dying = Crashing(world, effect, after=chance.random() < 0.5)
                try:
                    await world.extraction(dying, dying).extract(job(video_id=video))
                except Crash:
                    continue
                return

        async def change_interests() -> None:
            for file in files:
                await world.set_interests(*file)
                await asyncio.sleep(0.3)

        slots = asyncio.Semaphore(16)

        async def in_turn(video: str) -> None:
            async with slots:
                await deliver(video)

        deliveries = [*videos, *videos]
        chance.shuffle(deliveries)
        await asyncio.gather(change_interests(), *(in_turn(video) for video in deliveries))
        sent = await world.queued()
        expected = {line for line in await world.all_events() if line}
        assert set(sent) == expected
        ids = [json.loads(line)["id"] for line in expected]
        assert len(set(ids)) == len(ids)
        per_video = {json.loads(line)["partitionkey"] for line in expected}
        assert per_video == set(videos)
        assert len(sent) > len(expected)  # something was sent twice, and with the same bytes

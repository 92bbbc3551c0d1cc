"""Interests on real storage: events about them, their file, and rematches."""

import asyncio
import json
import logging
import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from keywire.extraction.extraction import Outcome
from keywire.interests.matching.matcher import Matcher
from keywire.operations.rematch import Counts, Rematch
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.crashing import REMATCH_EFFECTS, VERSION_EFFECTS, CrashError, Crashing
from tests.support.interests import FESTIVALS, ROBOTS, interest
from tests.support.world import World, job

A = index([keyword("film festivals"), keyword("robots")])
B = index([keyword("robots"), keyword("harbour")])
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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


async def test_a_changed_file_is_in_force_at_the_next_match(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        before = await world.interests.current()
        await world.set_interests(ROBOTS)
        after = await world.interests.current()
        assert after.matcher.get("robots") is not None
        assert before.stamp != after.stamp
        assert before.checked_at <= after.checked_at


async def test_an_unchanged_file_is_not_compiled_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        before = await world.interests.current()
        assert (await world.interests.current()).matcher is before.matcher


async def test_matches_at_once_wait_for_one_compilation_of_a_changed_file(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile_slowly(body: bytes) -> Matcher:
        compiled.append(body)
        return Matcher(body)

    monkeypatch.setattr("keywire.interests.source.matching.compile", compile_slowly)
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.interests.current()
        await world.set_interests(ROBOTS)
        found = await asyncio.gather(*(world.interests.current() for _ in range(8)))
        assert all(each.matcher.get("robots") is not None for each in found)
        assert len(compiled) == 2


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_file_that_is_replaced_while_it_is_downloaded_is_read_again(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(insights, A) as world:
        # Larger than what one request downloads.
        body = json.dumps({"interests": [FESTIVALS]}).encode().ljust(33 * 1024 * 1024)
        await world.interests.file.upload_blob(body, overwrite=True)
        download = world.interests.file.download_blob

        async def download_and_replace(**options: Any) -> Any:
            downloader = await download(**options)
            monkeypatch.setattr(world.interests.file, "download_blob", download)
            await world.set_interests(ROBOTS)
            return downloader

        monkeypatch.setattr(world.interests.file, "download_blob", download_and_replace)
        assert (await world.interests.current()).matcher.get("robots") is not None


async def test_a_file_that_storage_does_not_give_leaves_its_interests_in_force(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        known = await world.interests.current()

        async def forbidden(**_: Any) -> Any:
            raise HttpResponseError("forbidden")

        for source in (world.interests, world.new_interests()):
            monkeypatch.setattr(source.file, "get_blob_properties", forbidden)
            monkeypatch.setattr(source.file, "download_blob", forbidden)
            assert (await source.current()).stamp == known.stamp
            assert "does not give" in str(source.problem)
        status = await world.interests.status.read()
        assert status is not None
        assert "does not give" in str(status.problem)


async def test_an_older_file_is_not_copied_over_a_newer_one(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        slow = world.new_interests()
        await world.interests.last_good.upload_blob(
            json.dumps({"interests": [ROBOTS]}), metadata={"sourcetime": "2999-01-01T00:00:00+00:00"}
        )
        await slow.current()
        kept = await (await slow.last_good.download_blob()).readall()
        assert b"robots" in kept


async def test_a_newer_file_is_copied_though_another_process_copies_an_older_one_first(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(insights, A) as world:
        await world.set_interests(ROBOTS)
        other = world.new_interests().last_good
        source = world.interests
        look = source.last_good.get_blob_properties

        async def look_and_be_overtaken(**options: Any) -> Any:
            monkeypatch.undo()
            try:
                return await look(**options)
            finally:
                await other.upload_blob(
                    json.dumps({"interests": [FESTIVALS]}),
                    metadata={"sourcetime": "2020-01-01T00:00:00+00:00"},
                )

        monkeypatch.setattr(source.last_good, "get_blob_properties", look_and_be_overtaken)
        await source.current()
        assert b"robots" in await (await other.download_blob()).readall()


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
            assert (await world.interests.current()).matcher.get("festivals") is not None
        assert world.interests.problem
        assert len([record for record in caplog.records if "config/" in record.getMessage()]) == 1
        # Who starts meanwhile has the last good one too, and withdraws nothing.
        newcomer = world.new_interests()
        assert (await newcomer.current()).matcher.get("festivals") is not None
        assert newcomer.problem
        await world.set_interests(ROBOTS)
        assert (await world.interests.current()).matcher.get("robots") is not None
        assert world.interests.problem is None


async def test_no_file_at_all_is_no_interests(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        assert await world.run() is Outcome.PUBLISHED
        assert len((await world.interests.current()).matcher) == 0
        assert len(await world.audit()) == 1


async def test_a_file_that_goes_away_leaves_its_interests_in_force(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.interests.current()
        await world.interests.file.delete_blob()
        assert (await world.interests.current()).matcher.get("festivals") is not None
        assert "no such file" in str(world.interests.problem)


async def test_a_rematch_tells_what_is_new_and_nothing_twice(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        await world.set_interests(ROBOTS)
        would = await world.rematch(dry_run=True)
        assert would == Counts(documents=1, matched=1, withdrawn=1)
        assert told(await stored(world)) == [("matched", "1", "festivals")]
        assert await world.rematch() == would
        assert await world.rematch() == Counts(documents=1)
        assert told(await stored(world)) == [
            ("matched", "1", "festivals"),
            ("matched", "2", "robots"),
            ("withdrawn", "2", "festivals"),
        ]
        assert world.source.asked == 1
        await world.audit()


async def test_a_rematch_of_one_interest_leaves_the_others_alone(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        await world.set_interests(ROBOTS, interest("film"))
        counts = await world.rematch(only=("film",))
        assert counts == Counts(documents=1, matched=1)
        assert told(await stored(world)) == [("matched", "1", "festivals"), ("matched", "2", "film")]


async def test_an_interest_that_comes_back_is_news_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        for interests in ([FESTIVALS], [], [FESTIVALS], [], [FESTIVALS]):
            await world.set_interests(*interests)
            await world.run()
            await world.rematch()
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
        counts = await world.rematch()
        assert counts == Counts(documents=1, matched=1)
        assert len(await world.audit()) == 3


async def test_the_version_after_a_rematch_is_told_against_it(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(FESTIVALS)
        await world.rematch()
        world.source.body = B
        await world.run()
        assert told(await stored(world)) == [("matched", "2", "festivals"), ("withdrawn", "3", "festivals")]
        await world.audit()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("effect", REMATCH_EFFECTS)
async def test_a_crash_around_any_effect_of_a_rematch_is_healed(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(FESTIVALS)
        with pytest.raises(CrashError):
            await world.rematch(crashing=Crashing(effect, after=after))
        await world.rematch()
        sent = [json.loads(line) for line in set(await world.queued())]
        assert [event["type"].split(".")[2] for event in sent if "interest" in event["data"]] == ["matched"]
        assert len(sent) == 2


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
            await world.rematch()

        await asyncio.gather(
            *(change(body) for body in bodies),
            rematch(ROBOTS),
            rematch(ROBOTS, FESTIVALS),
            rematch(FESTIVALS),
        )
        await world.run()
        await world.rematch()
        await world.audit()


async def test_a_rematch_that_is_overtaken_by_a_version_sends_nothing_of_its_own(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(insights, A) as world:
        await world.run()
        await world.set_interests(ROBOTS, FESTIVALS)
        outbox = world.outbox()
        write = outbox.history.write_active

        async def be_overtaken(video_id: str, edition: int, body: bytes) -> str:
            if edition == 2:
                world.source.body = B
                await world.run()
            return await write(video_id, edition, body)

        monkeypatch.setattr(outbox.history, "write_active", be_overtaken)
        rematch = Rematch(outbox=outbox, interests=world.interests)
        await rematch.rematch(
            VIDEO_ID, await world.interests.current(), only=None, dry_run=False, traceparent=TRACE
        )
        assert told(await world.queued()) == [("matched", "2", "robots")]


async def test_a_dry_run_sends_no_edition_that_another_job_left_unsent(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        with pytest.raises(CrashError):
            await world.extraction(crashing=Crashing("send", after=False)).extract(job())
        await world.rematch(dry_run=True)
        assert await world.queued() == []
        _, _, metadata = await world.current()
        assert metadata["sent"] == "0"


async def test_events_of_a_rematch_have_its_time_and_trace(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        extracted_at = (await world.current())[0].extracted_at
        await world.set_interests(FESTIVALS)
        await world.rematch()
        (event,) = [json.loads(line) for line in await stored(world) if b"interest.matched" in line]
        assert datetime.fromisoformat(event["time"]) > extracted_at
        assert event["traceparent"] == TRACE


async def test_a_full_rematch_that_finds_nothing_notes_its_interests_and_makes_no_edition(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FESTIVALS)
        await world.run()
        _, _, before = await world.current()
        await world.set_interests(FESTIVALS, interest("weather"))
        await world.rematch(only=("weather",))
        assert (await world.current())[2] == before
        await world.rematch()
        _, _, after = await world.current()
        assert after["interests"] == (await world.interests.current()).stamp != before["interests"]
        assert after["edition"] == before["edition"]


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
                effect = chance.choice([*VERSION_EFFECTS, *["none"] * 20])
                dying = Crashing(effect, after=chance.random() < 0.5)
                try:
                    await world.extraction(crashing=dying).extract(job(video_id=video))
                except CrashError:
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
        expected = set(sent)
        # A list that lost its race, or whose process died before the swap, was never sent.
        assert expected <= {line for line in await world.all_events() if line}
        ids = [json.loads(line)["id"] for line in expected]
        assert len(set(ids)) == len(ids)
        per_video = {json.loads(line)["partitionkey"] for line in expected}
        assert per_video == set(videos)
        assert len(sent) > len(expected)  # something was sent twice, and with the same bytes

"""Erasing what a removed video's history holds of its keywords, on real storage."""

import dataclasses
from typing import Any

import pytest

from keywire.documents.document import KeywordDocument
from keywire.extraction.extraction import Outcome
from keywire.jobs.job import ExtractionJob
from keywire.versions.history import History
from keywire.video_indexer.errors import GoneError
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.world import World, job

A = index([keyword("harbour cranes")])
B = index([keyword("harbour cranes"), keyword("night ferry")])
FERRIES = {"id": "ferries", "name": "Ferries", "anyOf": ["ferry"]}


async def remove(world: World) -> None:
    async def gone(_: int) -> None:
        raise GoneError("gone", status=400, code="VIDEO_REMOVED")

    world.source.before_answering = gone


async def run(world: World, **options: Any) -> Outcome:
    erasing: dict[str, Any] = {"erase_removed": True} | options.pop("extraction", {})
    return await dataclasses.replace(world.extraction(), **erasing).extract(job(**options))


async def versions(world: World) -> list[str]:
    return sorted(name.partition("-")[0] for name, body in (await world.history()).items() if body)


async def test_only_the_tombstone_is_left_and_consumers_were_told_before(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FERRIES)
        await run(world)
        world.source.body = B
        await run(world)
        await world.set_interests(FERRIES, {"id": "cranes", "name": "Cranes", "anyOf": ["crane"]})
        await world.rematch()
        assert await versions(world) == ["000001", "000002", "e000001", "e000002", "e000003", "e000003"]
        await remove(world)
        assert await run(world) is Outcome.PUBLISHED
        history = await world.history()
        assert await versions(world) == ["000003"]
        assert not any(word in body for body in history.values() for word in (b"harbour", b"ferr", b"cranes"))
        told = await world.queued()
        assert any(b"keywords.removed" in event and b"night ferry" in event for event in told)
        assert b"harbour" not in (await world.current())[1]


async def test_without_the_setting_history_stays(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await run(world)
        await remove(world)
        await run(world, extraction={"erase_removed": False})
        assert await versions(world) == ["000001", "000002", "e000001", "e000002"]


async def test_numbering_goes_on_where_the_video_comes_back(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.set_interests(FERRIES)
        await run(world)
        await remove(world)
        await run(world)
        world.source.before_answering = None
        world.source.body = B
        assert await run(world) is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert document.version == 3
        told = await world.queued()
        assert sum(b"interest.matched" in event and b'"000000003"' in event for event in told) == 1
        assert await versions(world) == ["000002", "000003", "e000003"]


async def test_an_erasure_that_was_interrupted_is_done_by_the_next_job(insights: InsightsStorage) -> None:
    class Interrupted(History):
        async def erase(self, tombstone: KeywordDocument, keep: str | None, *, empty: bool) -> int:
            raise ConnectionError(tombstone.video_id)

    async with World(insights, A) as world:
        await run(world)
        await remove(world)
        history = Interrupted(world.history_container, world.account_id)
        outbox = dataclasses.replace(world.outbox(), history=history)
        with pytest.raises(ConnectionError):
            await run(world, extraction={"outbox": outbox})
        assert len(await versions(world)) == 4
        assert await run(world) is Outcome.UNCHANGED
        assert await versions(world) == ["000002"]


async def test_a_replay_of_an_erased_video_tells_nothing_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await run(world)
        await remove(world)
        await run(world)
        await world.queued()
        replayed = ExtractionJob(
            **{name: getattr(job(), name) for name in ("video_id", "job_id", "received_at")}, signal="replay"
        )
        extraction = dataclasses.replace(world.extraction(), erase_removed=True)
        assert await extraction.extract(replayed) is Outcome.UNCHANGED
        assert await world.queued() == []

"""A store that version 0.1 wrote: it is taken over, told anew, and stays readable for instances of 0.1.

`tests/data/store_0_1.json` has six videos of 0.1: published, rematched, re-indexed and failed ones, one with a
rematch's list that was not sent, and one with a version that was not sent.
"""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from emulators.framework.checkout import PROJECT
from keywire.documents import document as documents
from keywire.extraction.extraction import Outcome
from keywire.interests.matching.matcher import Matcher
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.editions_machine import consume
from tests.support.world import World, job

STORE = json.loads((PROJECT / "tests/data/store_0_1.json").read_text("utf-8"))
VIDEOS = ("failed0001", "published1", "reindexed1", "rematched1", "unsentlist", "unsentvers")
UNSENT = (
    "unsentlist/000001-f6c752a5b9f1.rematch-0001.events.ndjson",
    "unsentvers/000001-f6c752a5b9f1.events.ndjson",
)
INTERESTS = json.dumps({"interests": STORE["interests"]}).encode()
NEW = (keyword("British film"), keyword("quantum laptop"))


class Upgraded(World):
    """A world on the store of 0.1."""

    async def load(self) -> None:
        for blob in STORE["blobs"]:
            containers = {"keywords": self.current_container, "keywords-history": self.history_container}
            await containers[blob["container"]].upload_blob(
                f"{self.account_id}/{blob['name']}", blob["body"].encode(), metadata=blob["metadata"]
            )
        await self.set_interests(body=INTERESTS)

    def told(self, video_id: str) -> list[bytes]:
        """The events that 0.1 sent."""
        return [
            line
            for blob in STORE["blobs"]
            if blob["name"].startswith(f"{video_id}/") and blob["name"].endswith(".ndjson")
            if blob["name"] not in UNSENT
            for line in blob["body"].encode().splitlines()
        ]

    async def stored(self, video_id: str) -> tuple[bytes, dict[str, str]]:
        blob = self.current_container.get_blob_client(f"{self.account_id}/{video_id}.json")
        download = await blob.download_blob()
        return await download.readall(), dict(download.properties.metadata)

    async def extract(self, video_id: str, *keywords: dict[str, Any]) -> Outcome:
        self.source.bodies[video_id] = index(list(keywords), video={"id": video_id}, id=video_id)
        return await self.extraction().extract(job(video_id=video_id))

    async def write_like_0_1(self, video_id: str) -> None:
        """Note that the document is current, as 0.1 does: it writes the metadata that it knows, and no other."""
        _, metadata = await self.stored(video_id)
        known = {key: metadata[key] for key in ("version", "published", "asof")}
        blob = self.current_container.get_blob_client(f"{self.account_id}/{video_id}.json")
        await blob.set_blob_metadata(known)


@pytest.fixture
async def world(insights: InsightsStorage) -> AsyncIterator[Upgraded]:
    async with Upgraded(insights, b"", account_id=str(uuid.uuid4())) as world:
        await world.load()
        yield world


def sequences(events: list[bytes]) -> set[str]:
    return {json.loads(event)["sequence"] for event in events}


def fresh_match(body: bytes) -> dict[str, float]:
    matches = Matcher(INTERESTS).match(documents.decode(body))
    return {match.interest.id: match.score for match in matches}


@pytest.mark.parametrize("video_id", VIDEOS)
async def test_the_first_full_rematch_tells_consumers_what_holds(world: Upgraded, video_id: str) -> None:
    told = world.told(video_id)
    await world.rematch(video_id)
    events = await world.queued()
    body, metadata = await world.stored(video_id)
    assert consume([*events, *told]) == consume([*told, *events]) == fresh_match(body)
    assert min(sequences(events), default="~") > max(sequences(told), default="")
    assert metadata["published"] == metadata["version"]
    await world.rematch(video_id)
    assert await world.queued() == []


@pytest.mark.parametrize("video_id", VIDEOS)
async def test_a_new_answer_is_a_version_whose_sequence_is_higher_than_all_before(
    world: Upgraded, video_id: str
) -> None:
    told = world.told(video_id)
    before, _ = await world.stored(video_id)
    assert await world.extract(video_id, *NEW) is Outcome.PUBLISHED
    events = await world.queued()
    body, _ = await world.stored(video_id)
    assert json.loads(body)["version"] == json.loads(before)["version"] + 1
    assert consume([*events, *told]) == consume([*told, *events]) == fresh_match(body)
    assert min(sequences(events)) > max(sequences(told), default="")


async def test_an_old_instance_that_notes_the_time_repeats_no_sequence(world: Upgraded) -> None:
    video_id = "published1"
    told = world.told(video_id)
    await world.extract(video_id, *NEW)
    told += await world.queued()
    await world.write_like_0_1(video_id)
    assert await world.extract(video_id, *NEW) is Outcome.UNCHANGED
    assert await world.queued() == []
    await world.write_like_0_1(video_id)
    await world.extract(video_id, keyword("Microsoft"))
    events = await world.queued()
    body, _ = await world.stored(video_id)
    assert min(sequences(events)) > max(sequences(told))
    assert consume([*events, *told]) == fresh_match(body)


async def test_an_old_instance_reads_what_a_new_one_wrote(world: Upgraded) -> None:
    """0.1 reads these three; equal numbers are a version that was sent, of which it resends nothing."""
    await world.extract("published1", *NEW)
    _, metadata = await world.stored("published1")
    read: dict[str, Any] = {key: metadata[key] for key in ("version", "published", "asof")}
    assert read == {"version": "2", "published": "2", "asof": metadata["asof"]}
    assert metadata["asof"].endswith("+00:00")

"""Which videos List and Search show, and in which pages."""

import json
from typing import Any

import pytest

from emulators.video_indexer.in_process import InProcessEmulator


async def names(emulator: InProcessEmulator, path: str = "", **query: Any) -> list[str]:
    answer = await emulator.client.get(emulator.videos + path, params=query)
    assert answer.status_code == 200
    return [video["name"] for video in answer.json()["results"]]


async def with_three_videos() -> InProcessEmulator:
    emulator = InProcessEmulator()
    for name, spoken in (("one", "North America"), ("two", "South America"), ("three", "Oceania")):
        lines = {"transcript": [{"text": spoken}], "keywords": [{"text": spoken.split()[0]}]}
        media = json.dumps({"videos": [{"insights": lines, "sourceLanguage": "en-US"}]}).encode()
        video_id = await emulator.upload(media, name=name, externalId=f"x-{name}", partition=f"p-{name}")
        await emulator.indexed(video_id)
        emulator.clock.advance(10)
    return emulator


async def test_videos_are_listed_newest_first_in_pages() -> None:
    """`done` says when to stop; only then does `skip` stand still."""
    emulator = await with_three_videos()

    first = (await emulator.client.get(emulator.videos, params={"pageSize": 2})).json()
    second = (await emulator.client.get(emulator.videos, params={"pageSize": 2, "skip": 2})).json()

    assert [video["name"] for video in first["results"]] == ["three", "two"]
    assert first["nextPage"] == {"pageSize": 2, "skip": 2, "done": False}
    assert [video["name"] for video in second["results"]] == ["one"]
    assert second["nextPage"] == {"pageSize": 2, "skip": 2, "done": True}


async def test_a_page_has_25_videos_by_default() -> None:
    """The service's own default."""
    emulator = InProcessEmulator(requests_per_second=None)
    for _ in range(26):
        await emulator.upload(b"video")

    page = (await emulator.client.get(emulator.videos)).json()

    assert len(page["results"]) == 25
    assert page["nextPage"] == {"pageSize": 25, "skip": 25, "done": False}


async def test_a_period_includes_its_beginning_and_not_its_end() -> None:
    """createdAfter and createdBefore mean what they say, not what the vendor's description says."""
    emulator = await with_three_videos()

    later = await names(emulator, createdAfter="2027-01-15T08:00:10Z")
    earlier = await names(emulator, createdBefore="2027-01-15T08:00:10.0000000+00:00")

    assert (later, earlier) == (["three", "two"], ["one"])


@pytest.mark.parametrize(
    "query",
    [{"pageSize": 0}, {"pageSize": 1001}, {"skip": -1}, {"skip": "x"}, {"createdAfter": "yesterday"}],
)
async def test_a_list_that_cannot_be_made_is_refused(query: dict[str, Any]) -> None:
    """With INVALID_INPUT, not with another list."""
    emulator = InProcessEmulator()
    await emulator.authorize("Reader")

    answer = await emulator.client.get(emulator.videos, params=query)

    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "INVALID_INPUT")


async def test_a_partition_can_be_listed() -> None:
    """Several are told apart by commas or by repetition."""
    emulator = await with_three_videos()

    assert await names(emulator, partitions="p-one,p-two") == ["two", "one"]
    assert await names(emulator, partitions=["p-one", "p-three"]) == ["three", "one"]


async def test_a_list_shows_all_states_and_a_search_only_what_is_processed() -> None:
    """A reconciler that searches would never hear of a failure."""
    emulator = await with_three_videos()
    await emulator.client.put("/emulator/settings", json={"indexingSeconds": 100})
    await emulator.upload(b"video", name="young")

    assert await names(emulator) == ["young", "three", "two", "one"]
    assert await names(emulator, "/Search") == ["three", "two", "one"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"query": "america"}, ["two", "one"]),
        ({"query": "north america"}, ["one", "two"]),
        ({"query": "THREE"}, ["three"]),
        ({"query": "asia"}, []),
        ({"externalId": "x-two"}, ["two"]),
        ({"partition": "p-one"}, ["one"]),
        ({"state": "Failed"}, []),
        ({"language": "fr-FR"}, []),
    ],
)
async def test_search_finds_videos_by_text_and_by_attribute(
    query: dict[str, str], expected: list[str]
) -> None:
    """Any word of names, keywords and transcripts counts; more hits come first."""
    assert await names(await with_three_videos(), "/Search", **query) == expected


async def test_a_video_is_found_by_the_uploaders_own_id() -> None:
    """The answer is a bare JSON string, or 404."""
    emulator = await with_three_videos()
    path = f"{emulator.videos}/GetIdByExternalId"

    found = await emulator.client.get(path, params={"externalId": "x-two"})
    unknown = await emulator.client.get(path, params={"externalId": "x-four"})

    assert (await emulator.get_index(found.json())).json()["name"] == "two"
    assert (unknown.status_code, unknown.json()["ErrorType"]) == (404, "VIDEO_NOT_FOUND")

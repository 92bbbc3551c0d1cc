"""How a video comes through its indexing, and what the uploader hears of it."""

import json
from typing import Any

import httpx
import pytest

from emulators.video_indexer.callbacks import address
from emulators.video_indexer.in_process import InProcessEmulator

HOOK = "http://localhost:7071/api/callback?code=a%2Fb%3D%3D&tag=x+y"


def keyword_file(text: str, **root: Any) -> dict[str, Any]:
    return {"videos": [{"insights": {"keywords": [{"id": 1, "text": text}]}}]} | root


def keywords(index: dict[str, Any]) -> list[str]:
    return [keyword["text"] for keyword in index["videos"][0]["insights"].get("keywords", [])]


async def test_a_video_is_processing_for_as_long_as_indexing_takes() -> None:
    """Its insights are not there before; progress goes up to 99 % and then to the end."""
    emulator = InProcessEmulator(indexing_seconds=100)
    video_id = await emulator.upload(json.dumps(keyword_file("serve")).encode())

    emulator.clock.advance(40)
    halfway = (await emulator.get_index(video_id)).json()
    emulator.clock.advance(60)
    await emulator.indexed(video_id)
    done = (await emulator.get_index(video_id)).json()

    assert (halfway["state"], halfway["videos"][0]["state"]) == ("Processing", "Processing")
    assert halfway["videos"][0]["processingProgress"] == "40%"
    assert keywords(halfway) == []
    assert (done["state"], done["videos"][0]["state"], keywords(done)) == (
        "Processed",
        "Processed",
        ["serve"],
    )


async def test_the_callback_is_a_post_without_a_body() -> None:
    """Everything is in the query: what the uploader put there, untouched, then id and state."""
    emulator = InProcessEmulator()

    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    await emulator.reaches(lambda: bool(emulator.sent))

    request = emulator.sent[0]
    assert (request.method, request.content) == ("POST", b"")
    assert str(request.url) == f"{HOOK}&id={video_id}&state=Processed"
    assert (await emulator.audit(video_id))["callbacks"] == [
        {
            "time": "2027-01-15T08:00:00+00:00",
            "notification": "indexing",
            "state": "Processed",
            "status": 202,
            "error": None,
        }
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/p", "https://h/p?id=1"),
        ("https://h/p?", "https://h/p?id=1"),
        ("https://h/p?a=%2b", "https://h/p?a=%2b&id=1"),
        ("https://h/p?a=1&", "https://h/p?a=1&id=1"),
        ("https://h/p?a=1#part", "https://h/p?a=1&id=1"),
    ],
)
def test_parameters_are_appended_to_any_url(url: str, expected: str) -> None:
    """With and without a query of its own; a fragment is never sent."""
    assert address(url, {"id": "1"}) == expected


async def test_a_callback_is_tried_once() -> None:
    """Neither an error, nor a redirect, nor a dead host makes the emulator try again."""
    emulator = InProcessEmulator()

    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    outcomes: list[tuple[int | None, str | None]] = []
    for world in (
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(302, headers={"Location": "http://localhost/elsewhere"}),
        dead,
    ):
        emulator.world = world
        video_id = await emulator.upload(b"video", callbackUrl=HOOK)
        await emulator.reaches(lambda: len(emulator.sent) > len(outcomes))
        (callback,) = (await emulator.audit(video_id))["callbacks"]
        outcomes.append((callback["status"], callback["error"]))

    assert outcomes == [(500, None), (302, None), (None, "ConnectError")]
    assert len(emulator.sent) == 3


@pytest.mark.parametrize(
    ("kind", "sent", "recorded"),
    [("drop", 0, [(None, "dropped")]), ("double", 2, [(202, None), (202, None)])],
)
async def test_a_callback_can_be_lost_or_doubled(
    kind: str, sent: int, recorded: list[tuple[int | None, str | None]]
) -> None:
    """The service promises neither that it comes nor that it comes once."""
    emulator = InProcessEmulator()
    await emulator.client.post("/emulator/faults", json={"operation": "Callback", "kind": kind})

    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    await emulator.indexed(video_id)
    callbacks = (await emulator.audit(video_id))["callbacks"]

    assert len(emulator.sent) == sent
    assert [(callback["status"], callback["error"]) for callback in callbacks] == recorded


async def test_a_callback_can_be_late() -> None:
    """The video is processed long before anybody hears of it."""
    emulator = InProcessEmulator()
    fault = {"operation": "Callback", "kind": "delay", "seconds": 60}
    await emulator.client.post("/emulator/faults", json=fault)

    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    processed = await emulator.indexed(video_id)
    before = len(emulator.sent)
    emulator.clock.advance(60)
    await emulator.reaches(lambda: bool(emulator.sent))

    assert (processed["state"], before) == ("Processed", 0)


async def test_a_re_index_finds_what_was_set_for_it() -> None:
    """The old insights stay until it has ended."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(json.dumps(keyword_file("old")).encode())
    await emulator.indexed(video_id)
    await emulator.client.put(f"/emulator/videos/{video_id}/insights", json=keyword_file("new"))

    before = keywords((await emulator.get_index(video_id)).json())
    answer = await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex", params={"callbackUrl": HOOK})
    await emulator.indexed(video_id, times=2)

    assert (answer.status_code, answer.content, before) == (204, b"", ["old"])
    assert keywords((await emulator.get_index(video_id)).json()) == ["new"]
    assert len(emulator.sent) == 1


async def test_the_list_says_when_a_video_was_indexed_and_changed() -> None:
    """lastIndexed is the beginning of the last indexing, lastModified its end; created never moves."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    await emulator.indexed(video_id)
    await emulator.client.put("/emulator/settings", json={"indexingSeconds": 2})

    emulator.clock.advance(0.5)
    await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")
    emulator.clock.advance(2)
    await emulator.indexed(video_id, times=2)

    (video,) = (await emulator.client.get(emulator.videos)).json()["results"]
    assert video["created"] == "2027-01-15T08:00:00+00:00"
    assert video["lastIndexed"] == "2027-01-15T08:00:00.5+00:00"
    assert video["lastModified"] == "2027-01-15T08:00:02.5+00:00"


async def test_a_video_cannot_be_indexed_twice_at_once() -> None:
    """409, with the same type that the service once sent with a 400 for Get Video Index."""
    emulator = InProcessEmulator(indexing_seconds=100)
    video_id = await emulator.upload(b"video")

    answer = await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")

    assert (answer.status_code, answer.json()["ErrorType"]) == (409, "VIDEO_INDEXING_IN_PROGRESS")


async def test_a_re_index_without_a_callback_url_is_silent() -> None:
    """A callback belongs to one request; that of the upload is not used again."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    await emulator.reaches(lambda: len(emulator.sent) == 1)

    await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")
    audit = await emulator.indexed(video_id, times=2)

    assert (audit["state"], len(audit["callbacks"])) == ("Processed", 1)


@pytest.mark.parametrize("state", ["Failed", "Quarantined"])
async def test_the_next_indexing_can_end_badly(state: str) -> None:
    """The reason is in the index, the state in the callback, and the last good insights stay."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(json.dumps(keyword_file("good")).encode(), callbackUrl=HOOK)
    await emulator.indexed(video_id)
    await emulator.client.put(f"/emulator/videos/{video_id}/insights", json=keyword_file("better"))
    outcome = {"state": state, "failureCode": "InvalidInput", "failureMessage": "No audio."}
    await emulator.client.put(f"/emulator/videos/{video_id}/outcome", json=outcome)
    again = f"{emulator.videos}/{video_id}/ReIndex"

    await emulator.client.put(again, params={"callbackUrl": HOOK})
    await emulator.indexed(video_id, times=2)
    bad = (await emulator.get_index(video_id)).json()
    await emulator.client.put(again)
    await emulator.indexed(video_id, times=3)
    good = (await emulator.get_index(video_id)).json()

    inner = bad["videos"][0]
    assert (bad["state"], inner["state"], keywords(bad)) == (state, state, ["good"])
    assert (inner["failureCode"], inner["failureMessage"]) == ("InvalidInput", "No audio.")
    assert str(emulator.sent[1].url).endswith(f"&state={state}")
    assert (good["state"], keywords(good)) == ("Processed", ["better"])
    assert "failureCode" not in good["videos"][0]


async def test_a_file_that_says_it_failed_fails() -> None:
    """A first indexing can be made to fail without a race against it."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(json.dumps(keyword_file("x", state="Failed")).encode())

    assert (await emulator.indexed(video_id))["state"] == "Failed"


async def test_a_removed_video_is_remembered_as_removed() -> None:
    """Its index is VIDEO_REMOVED, unlike that of a video that never was; its indexing ends unheard."""
    emulator = InProcessEmulator(indexing_seconds=100)
    video_id = await emulator.upload(b"video", callbackUrl=HOOK)

    deleted = await emulator.client.delete(f"{emulator.videos}/{video_id}")
    removed = await emulator.get_index(video_id)
    unknown = await emulator.get_index("neverwas12")
    listed = await emulator.client.get(emulator.videos)
    emulator.clock.advance(200)
    later = await emulator.upload(b"video")
    emulator.clock.advance(200)
    await emulator.indexed(later)

    assert deleted.status_code == 204
    assert (removed.status_code, removed.json()["ErrorType"]) == (400, "VIDEO_REMOVED")
    assert (unknown.status_code, unknown.json()["ErrorType"]) == (404, "BREAKDOWN_NOT_FOUND")
    assert listed.json()["results"] == []
    assert emulator.sent == []


async def test_a_person_is_announced_at_the_same_url_without_a_state() -> None:
    """The second kind of callback, which a completion hook must tell from the first."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    await emulator.reaches(lambda: len(emulator.sent) == 1)
    person = {"faceId": "7", "knownPersonId": "k", "personName": "Inigo Montoya"}

    answer = await emulator.client.post(f"/emulator/videos/{video_id}/person-identified", json=person)

    assert answer.json()["status"] == 202
    expected = f"{HOOK}&id={video_id}&faceId=7&knownPersonId=k&personName=Inigo%20Montoya"
    assert str(emulator.sent[1].url) == expected


async def test_a_callback_can_be_sent_again_in_any_state() -> None:
    """Duplicates, and states between, which the service may send one day."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video", callbackUrl=HOOK)
    await emulator.reaches(lambda: len(emulator.sent) == 1)

    await emulator.client.post(f"/emulator/videos/{video_id}/callback")
    await emulator.client.post(f"/emulator/videos/{video_id}/callback", json={"state": "Processing"})

    states = [request.url.params["state"] for request in emulator.sent]
    assert states == ["Processed", "Processed", "Processing"]

"""What an upload accepts, and what becomes of the rest."""

import httpx
import pytest

from emulators.video_indexer.in_process import InProcessEmulator


async def refused(
    emulator: InProcessEmulator, query: dict[str, str], *, media: bytes | None = b"video"
) -> str:
    await emulator.authorize()
    files = None if media is None else {"file": media}
    answer = await emulator.client.post(emulator.videos, params=query, files=files)
    assert answer.status_code == 400
    return str(answer.json()["ErrorType"])


@pytest.mark.parametrize(
    ("query", "error_type"),
    [
        ({}, "INVALID_INPUT"),
        ({"name": "n" * 81}, "VIDEO_NAME_TOO_LONG"),
        ({"name": "n", "privacy": "Secret"}, "INVALID_INPUT"),
        ({"name": "n", "metadata": "m" * 4096}, "URI_TOO_LONG"),
        ({"name": "n", "videoUrl": "http://localhost/video"}, "INVALID_INPUT"),
        ({"name": "n", "callbackUrl": "http://example.com/hook"}, "INVALID_INPUT"),
        ({"name": "n", "callbackUrl": "ftp://localhost/hook"}, "INVALID_INPUT"),
        ({"name": "n", "callbackUrl": "http://[broken"}, "INVALID_INPUT"),
    ],
    ids=[
        "no name",
        "name too long",
        "privacy unknown",
        "query too long",
        "a file and a URL",
        "callback over plain HTTP to a foreign host",
        "callback over another protocol",
        "callback to no URL",
    ],
)
async def test_an_upload_that_the_service_would_not_take_is_refused(
    query: dict[str, str], error_type: str
) -> None:
    """Each with the error type of the service."""
    assert await refused(InProcessEmulator(), query) == error_type


async def test_an_upload_needs_media() -> None:
    """Neither a file nor a URL is an error, and so is a file of no bytes."""
    assert await refused(InProcessEmulator(), {"name": "n"}, media=None) == "INVALID_INPUT"
    assert await refused(InProcessEmulator(), {"name": "n"}, media=b"") == "INPUT_FILE_EMPTY"


async def test_the_answer_to_an_upload_is_the_video_in_state_uploaded() -> None:
    """The id is there at once; the rest takes its time."""
    emulator = InProcessEmulator()
    await emulator.authorize()

    answer = await emulator.client.post(
        emulator.videos, params={"name": "A", "externalId": "x"}, files={"file": b"video"}
    )

    video = answer.json()
    assert (video["state"], video["name"], video["externalId"]) == ("Uploaded", "A", "x")
    assert len(video["id"]) == 10
    assert video["created"] == "2027-01-15T08:00:00+00:00"


async def test_ids_repeat_with_the_seed() -> None:
    """A run can be repeated; another seed gives other ids; no id is given twice."""
    emulators = [InProcessEmulator(seed=1), InProcessEmulator(seed=1), InProcessEmulator(seed=2)]

    first, again, other = [[await emulator.upload(b"video") for _ in range(3)] for emulator in emulators]

    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 3


async def test_media_is_fetched_from_a_url_as_it_was_given() -> None:
    """The escapes of a signed URL arrive untouched."""
    emulator = InProcessEmulator()
    emulator.world = lambda _: httpx.Response(200, content=b'{"videos": [{"insights": {"keywords": []}}]}')
    url = "https://127.0.0.1:10000/media/a%20b.mp4?sig=x%2By%3D&se=2027"
    await emulator.authorize()

    answer = await emulator.client.post(emulator.videos, params={"name": "n", "videoUrl": url})
    await emulator.indexed(answer.json()["id"])

    assert str(emulator.sent[0].url) == url
    index = (await emulator.get_index(answer.json()["id"])).json()
    assert index["videos"][0]["insights"] == {"keywords": []}


@pytest.mark.parametrize(
    "url", ["http://localhost/gone", "https://example.com/video.mp4", "file:///etc/passwd"]
)
async def test_media_that_cannot_be_fetched_is_refused(url: str) -> None:
    """A foreign host is not even asked."""
    emulator = InProcessEmulator()
    emulator.world = lambda _: httpx.Response(404)

    assert await refused(emulator, {"name": "n", "videoUrl": url}, media=None) == "URL_UNREACHABLE"
    assert len(emulator.sent) == ("localhost" in url)


async def test_a_parameter_that_the_service_does_not_know_is_ignored() -> None:
    """A mistyped callbackUrl is no error, there just never is a callback."""
    emulator = InProcessEmulator()

    video_id = await emulator.upload(b"video", callback_url="http://localhost/hook")
    audit = await emulator.indexed(video_id)

    assert (audit["state"], audit["callbacks"], emulator.sent) == ("Processed", [], [])

"""What Get Video Index answers for the insights file that was uploaded."""

import json
from typing import Any

import pytest

from emulators.video_indexer.in_process import InProcessEmulator


def insights_file(**root: Any) -> dict[str, Any]:
    """A small index of another account, with everything that the answer replaces."""
    return {
        "futureField": {"nested": [1, None]},
        "partition": "archive",
        "description": "From the file",
        "privacyMode": "Private",
        "state": "Processed",
        "accountId": "00000000-0000-0000-0000-00000000aaaa",
        "id": "oldvideoid",
        "name": "The file's name",
        "userName": "Jane Roe",
        "created": "2018-10-05T14:56:34.7268773+00:00",
        "isBase": True,
        "durationInSeconds": 28,
        "summarizedInsights": {"keywords": [{"id": 1, "name": "serve"}]},
        "videos": [
            {
                "accountId": "00000000-0000-0000-0000-00000000aaaa",
                "id": "oldvideoid",
                "state": "Processed",
                "processingProgress": "100%",
                "failureCode": "General",
                "externalId": "file-external",
                "metadata": None,
                "insights": {
                    "version": "1.0.0.0",
                    "sourceLanguages": ["en-US"],
                    "statistics": {"wordCount": 3},
                    "transcript": [{"id": 1, "text": "A serve at full speed"}],
                    "ocr": [],
                    "keywords": [{"text": "serve speed", "id": 2, "confidence": 0.6211, "instances": []}],
                },
                "viewToken": "Bearer=real",
                "publishedUrl": "https://real.example/manifest",
            }
        ],
        "videosRanges": [{"videoId": "oldvideoid", "range": {"start": "0:00:00", "end": "0:00:28"}}],
    } | root


async def answered(
    emulator: InProcessEmulator, index: dict[str, Any], parameters: dict[str, str] | None = None, **query: str
) -> Any:
    video_id = await emulator.upload(json.dumps(index).encode(), **(parameters or {}))
    await emulator.indexed(video_id)
    answer = await emulator.get_index(video_id, **query)
    assert answer.status_code == 200
    return answer.json()


async def test_everything_that_is_not_the_accounts_is_answered_as_the_file_has_it() -> None:
    """Order, unknown fields and values survive; only ids, user name and streaming are the emulator's."""
    emulator = InProcessEmulator()
    index = insights_file()

    answer = await answered(emulator, index, {"name": index["name"]}, includeStreamingUrls="false")

    account, video_id = emulator.config.account_id, answer["id"]
    expected = insights_file(accountId=account, id=video_id, userName="Emulated User")
    expected["videos"][0] |= {"accountId": account, "id": video_id}
    del expected["videos"][0]["viewToken"], expected["videos"][0]["publishedUrl"]
    expected["videosRanges"][0]["videoId"] = video_id
    assert json.dumps(answer) == json.dumps(expected)


async def test_numbers_keep_every_digit() -> None:
    """A fraction that a float cannot hold comes back as it was written."""
    emulator = InProcessEmulator()
    digits = "0.62110000000000000000000000001"
    media = json.dumps(insights_file()).replace("0.6211", digits).encode()

    video_id = await emulator.upload(media)
    await emulator.indexed(video_id)

    assert digits in (await emulator.get_index(video_id)).text


async def test_a_byte_order_mark_does_not_hide_the_insights() -> None:
    """Files that Windows tools wrote are insights files too."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"\xef\xbb\xbf" + json.dumps(insights_file()).encode())
    await emulator.indexed(video_id)

    assert (await emulator.get_index(video_id)).json()["videos"][0]["insights"]["keywords"]


@pytest.mark.parametrize(
    "media",
    [b"\x00\x00\x00\x18ftypmp42", b'{"breakdowns": []}', b"[]", b'{"videos": [1]}', b"[" * 200_000],
    ids=["a video", "an index of the retired API", "a list", "no objects", "nested beyond reason"],
)
async def test_media_that_is_no_insights_file_is_processed_without_insights(media: bytes) -> None:
    """Any bytes index well; there is just nothing in them."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(media, name="clip.mp4")
    await emulator.indexed(video_id)

    index = (await emulator.get_index(video_id)).json()

    assert (index["state"], index["name"], index["videos"][0]["id"]) == ("Processed", "clip.mp4", video_id)
    assert "keywords" not in index["videos"][0]["insights"]
    assert index["videosRanges"][0]["videoId"] == video_id


async def test_what_the_uploader_said_wins_over_the_file() -> None:
    """The file is what indexing found; the uploader's words are not found but given."""
    said = {
        "name": "Given",
        "description": "Given too",
        "partition": "p1",
        "externalId": "x1",
        "metadata": '{"k":1}',
        "privacy": "Public",
    }

    index = await answered(InProcessEmulator(), insights_file(), said)

    inner = index["videos"][0]
    assert (index["name"], index["description"], index["partition"]) == ("Given", "Given too", "p1")
    assert (inner["externalId"], inner["metadata"]) == ("x1", '{"k":1}')
    assert index["privacyMode"] == inner["privacyMode"] == "Public"


@pytest.mark.parametrize(
    ("given", "answered_name"), [("n" * 80, "n" * 100), ("n" * 79, "n" * 79), ("m" * 80, "m" * 80)]
)
async def test_a_name_cut_to_80_characters_does_not_replace_the_files_full_name(
    given: str, answered_name: str
) -> None:
    """Upload takes no longer names, so a longer one can only come from the file."""
    index = await answered(InProcessEmulator(), insights_file(name="n" * 100), {"name": given})

    assert index["name"] == answered_name


async def test_a_reindex_finds_new_insights_for_the_same_video() -> None:
    """Name, external id and metadata are the video's and not the insights': they stay what they were."""
    emulator = InProcessEmulator()
    first, later = insights_file(name="n" * 100), insights_file(name="Another")
    first["videos"][0] |= {"externalId": "x1", "metadata": "m1"}
    later["videos"][0] |= {"externalId": "x2", "metadata": "m2", "insights": {"version": "2"}}
    video_id = await emulator.upload(json.dumps(first).encode(), name="n" * 80)
    await emulator.indexed(video_id)
    await emulator.client.put(f"/emulator/videos/{video_id}/insights", json=later)
    await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")
    await emulator.indexed(video_id, times=2)

    index = (await emulator.get_index(video_id)).json()

    inner = index["videos"][0]
    assert (index["name"], inner["externalId"], inner["metadata"]) == ("n" * 100, "x1", "m1")
    assert inner["insights"] == {"version": "2"}


@pytest.mark.parametrize("ids", [["aaaaaaaaaa", "bbbbbbbbbb"], ["aaaaaaaaaa"]])
async def test_the_videos_of_a_project_keep_their_ids(ids: list[str]) -> None:
    """A project is made of other videos; only the project itself is new to the account."""
    inner = [{"id": video_id, "state": "Processed"} for video_id in ids]
    ranges = [{"videoId": video_id} for video_id in ids]

    index = await answered(
        InProcessEmulator(), insights_file(isBase=False, videos=inner, videosRanges=ranges)
    )

    assert index["id"] not in ("oldvideoid", *ids)
    assert [video["id"] for video in index["videos"]] == ids
    assert index["videosRanges"] == ranges


@pytest.mark.parametrize("names", ["Keywords", "keywords", " KEYWORDS ,"])
async def test_included_insights_leave_only_the_lists_that_are_named(names: str) -> None:
    """Any case will do; fields that are no lists of insights stay."""
    index = await answered(InProcessEmulator(), insights_file(), includedInsights=names)

    assert list(index["videos"][0]["insights"]) == ["version", "sourceLanguages", "statistics", "keywords"]


async def test_excluded_insights_are_left_out() -> None:
    """Everything else stays."""
    index = await answered(InProcessEmulator(), insights_file(), excludedInsights="Transcript,Ocr")

    assert list(index["videos"][0]["insights"]) == ["version", "sourceLanguages", "statistics", "keywords"]


async def test_insights_cannot_be_included_and_excluded_at_once() -> None:
    """The service refuses to guess what is meant."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")

    answer = await emulator.get_index(video_id, includedInsights="Keywords", excludedInsights="Ocr")

    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "INVALID_INPUT")


async def test_summary_and_streaming_are_there_unless_declined() -> None:
    """Both defaults are true, as in the service; the view token is never a real one."""
    emulator = InProcessEmulator()
    index = await answered(emulator, insights_file())

    lean = (
        await emulator.get_index(index["id"], includeSummarizedInsights="false", includeStreamingUrls="False")
    ).json()

    assert index["summarizedInsights"] == insights_file()["summarizedInsights"]
    assert "not-a-token" in index["videos"][0]["viewToken"]
    assert ".invalid/" in index["videos"][0]["publishedUrl"]
    assert lean["summarizedInsights"] is None
    assert not {"publishedUrl", "publishedProxyUrl", "viewToken"} & set(lean["videos"][0])


async def test_a_translation_is_answered_for_its_language_only() -> None:
    """`language` gives what was set for it; without one, the same texts as always."""
    emulator = InProcessEmulator()
    video_id = (await answered(emulator, insights_file()))["id"]
    translated = insights_file()
    translated["videos"][0]["insights"]["keywords"][0]["text"] = "vitesse de service"
    await emulator.client.put(
        f"/emulator/videos/{video_id}/insights", params={"language": "fr-FR"}, json=translated
    )

    texts = [
        (await emulator.get_index(video_id, **query)).json()["videos"][0]["insights"]["keywords"][0]["text"]
        for query in ({"language": "fr-fr"}, {"language": "de-DE"}, {})
    ]

    assert texts == ["vitesse de service", "serve speed", "serve speed"]


async def test_there_is_no_translation_of_what_is_still_being_indexed() -> None:
    """One that was set beforehand shows itself with the insights, not before them."""
    emulator = InProcessEmulator(indexing_seconds=100)
    video_id = await emulator.upload(json.dumps(insights_file()).encode())
    await emulator.client.put(
        f"/emulator/videos/{video_id}/insights", params={"language": "fr-FR"}, json=insights_file()
    )

    index = (await emulator.get_index(video_id, language="fr-FR")).json()

    assert (index["state"], "keywords" in index["videos"][0]["insights"]) == ("Processing", False)

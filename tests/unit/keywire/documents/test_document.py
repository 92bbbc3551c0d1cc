"""From an index to a keyword document."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.documents import document as documents
from keywire.documents.keyword import score_of
from keywire.video_indexer import index as indexes
from keywire.video_indexer.errors import TransientError, UnusableError
from tests.support.builders import index, instance, keyword
from tests.support.events import build


def stored(body: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(documents.encode(build(body)))
    return decoded


def test_keeps_video_indexers_keyword_objects_field_for_field() -> None:
    sent = keyword("Office Insider", confidence=1, unknown={"deep": [1, "x", None]}, id=7)
    kept = stored(index([sent]))["keywords"][0]
    assert {name: kept[name] for name in sent} == sent
    assert isinstance(kept["confidence"], int)


def test_adds_normalized_text_merged_ranges_seconds_and_score() -> None:
    times = [
        instance("0:00:10", "0:00:12.5"),
        instance("0:00:01", "0:00:03"),
        instance("0:00:02", "0:00:04"),
        instance("0:00:01", "0:00:03"),
    ]
    added = stored(index([keyword("Café", confidence=0.8, instances=times)]))["keywords"][0]
    assert added["normalized"] == "cafe"
    assert added["ranges"] == [[1.0, 4.0], [10.0, 12.5]]
    assert added["totalSeconds"] == 5.5
    assert added["firstSeconds"] == 1.0
    assert added["score"] == round(0.8 * (0.5 + 0.5 * 5.5 / 35.5), 4)


@pytest.mark.parametrize("keywords", [None, [], "no list", {"a": 1}])
def test_no_keywords_is_a_legitimate_empty_document(keywords: object) -> None:
    assert stored(index(keywords))["keywords"] == []


def test_null_keywords_or_insights_are_an_empty_document() -> None:
    assert stored(index(video={"insights": {"keywords": None}}))["keywords"] == []
    assert stored(index(video={"insights": None}))["keywords"] == []


@pytest.mark.parametrize(
    "broken", [None, 5, "text", [], {}, {"text": None}, {"text": ""}, {"text": " "}, {"text": ["a"]}]
)
def test_a_broken_keyword_is_left_out_and_counted_and_costs_the_others_nothing(broken: object) -> None:
    document = stored(index([keyword("one"), broken, keyword("two")]))
    assert [kept["text"] for kept in document["keywords"]] == ["one", "two"]
    assert document["unreadable"] == {"keywords": 1, "instances": 0}


def test_a_number_out_of_range_costs_only_its_own_keyword() -> None:
    body = index([keyword("one"), keyword("two")]).replace(b'"two"', b'"two", "big": 1e999')
    assert [kept["text"] for kept in json.loads(documents.encode(build(body)))["keywords"]] == ["one"]


def test_a_broken_instance_is_counted_and_its_keyword_keeps_the_rest() -> None:
    times = [instance("0:00:01", "0:00:03"), instance("soon", "later"), None, instance("0:00:09", "0:00:08")]
    document = stored(index([keyword("one", instances=times)]))
    assert document["keywords"][0]["ranges"] == [[1.0, 3.0]]
    assert document["keywords"][0]["instances"] == times
    assert document["unreadable"] == {"keywords": 0, "instances": 3}


@pytest.mark.parametrize("absent", ["confidence", "language", "instances", "id"])
def test_an_absent_field_costs_nothing(absent: str) -> None:
    sent = keyword("one")
    del sent[absent]
    document = build(index([sent]))
    assert absent not in document.keywords[0]
    assert documents.keywords_of(documents.decode(documents.encode(document)))[0].text == "one"


@pytest.mark.parametrize("confidence", [None, "0.9", True, [], {}])
def test_a_confidence_that_is_no_number_is_kept_and_counts_as_unknown(confidence: object) -> None:
    document = build(index([keyword("one") | {"confidence": confidence}]))
    assert document.keywords[0]["confidence"] == confidence
    assert documents.keywords_of(document)[0].confidence is None
    assert document.keywords[0]["score"] == round(0.5 * (0.5 + 0.5 * 2 / 32), 4)


def test_a_field_of_ours_that_video_indexer_sends_one_day_moves_aside() -> None:
    document = build(index([keyword("one", score="high", ranges=[])]))
    assert document.keywords[0]["videoIndexer"] == {"score": "high", "ranges": []}
    assert documents.keywords_of(document)[0].score == score_of(0.9, 2.0)


def test_a_project_says_to_which_video_a_keyword_belongs() -> None:
    inner = {"state": "Processed", "insights": {"language": "en-US", "keywords": [keyword("one")]}}
    body = json.dumps(
        {
            "id": "project1",
            "name": "P",
            "state": "Processed",
            "videos": [inner | {"id": "aaa"}, inner | {"id": "bbb"}],
        }
    ).encode()
    document = build(body)
    assert [kept["videoId"] for kept in document.keywords] == ["aaa", "bbb"]
    assert [video.video_id for video in document.source_videos] == ["aaa", "bbb"]


def test_what_surrounds_the_keywords_is_read() -> None:
    document = build(index(video={"metadata": '{"campaign":1}'}))
    assert document.name == "A video"
    assert document.external_id == "cms-1"
    assert document.metadata == '{"campaign":1}'
    assert document.duration_seconds == 100.0
    assert document.source_languages == ("en-US",)
    assert document.indexing_preset == "Default"
    assert document.insights_version == "1.0.0.0"
    assert (document.version, document.keywords_version, document.previous_hash) == (1, 1, None)


def test_the_uploaders_reference_is_in_the_document_and_no_part_of_its_content() -> None:
    document = build(index(), reference="cms-2026-0042")
    assert json.loads(documents.encode(document))["reference"] == "cms-2026-0042"
    assert document.content_hash == build(index()).content_hash


def test_a_reference_stays_until_a_signal_brings_another() -> None:
    first = build(index(), reference="one")
    second = build(index([keyword("new")]), first)
    third = build(index([keyword("newer")]), second, reference="two")
    failed = build(index(None, state="Failed"), third)
    assert [document.reference for document in (first, second, third, failed)] == ["one", "one", "two", "two"]
    assert build(index([keyword("new")]), build(index())).reference is None


def test_a_document_older_than_the_reference_is_read_too() -> None:
    body = json.loads(documents.encode(build(index())))
    del body["reference"]
    assert documents.decode(json.dumps(body).encode()).reference is None


def test_the_failure_code_of_a_processed_video_says_nothing() -> None:
    general = build(index(video={"failureCode": "General"}))
    assert general.state == "Processed"
    assert general.failure is None
    assert general.content_hash == build(index()).content_hash


def test_languages_as_the_api_portal_describes_them_are_read_too() -> None:
    document = build(
        index(video={"sourceLanguages": {"languages": ["he-IL", "en-US"], "dominantLanguage": "he-IL"}})
    )
    assert document.source_languages == ("he-IL", "en-US")


def test_a_failed_reindex_keeps_the_last_good_keywords_and_says_so() -> None:
    first = build(index([keyword("one")]))
    failed = build(
        index(None, state="Failed", video={"failureCode": "InvalidInput", "failureMessage": "No audio."}),
        first,
    )
    assert failed.version == 2
    assert failed.keywords_version == 1
    assert failed.keywords == first.keywords
    assert failed.failure == documents.Failure(code="InvalidInput", message="No audio.")
    assert failed.previous_hash == first.content_hash


@pytest.mark.parametrize("state", ["Failed", "Quarantined"])
def test_the_keywords_of_what_failed_are_not_for_readers(state: str) -> None:
    document = build(index([keyword("one"), {"text": None}], state=state))
    assert document.keywords == ()
    assert document.keywords_version is None
    assert document.unreadable == documents.Unreadable()


def test_a_failed_reindex_keeps_what_was_unreadable_of_the_keywords_it_keeps() -> None:
    first = build(index([keyword("one"), {"text": None}]))
    failed = build(index([{"text": None}, {"text": None}], state="Failed"), first)
    assert failed.unreadable == first.unreadable == documents.Unreadable(keywords=1)


def test_the_hash_is_over_what_was_said_and_not_over_when_or_in_which_key_order() -> None:
    body = index([keyword("one")])
    reordered = json.dumps(_reversed(json.loads(body))).encode()
    assert build(reordered).content_hash == build(body).content_hash
    assert build(body, previous=build(body)).content_hash == build(body).content_hash
    assert build(index([keyword("one", confidence=0.8)])).content_hash != build(body).content_hash
    assert build(index([keyword("one", later=1)])).content_hash != build(body).content_hash
    assert build(index([keyword("one")], state="Failed")).content_hash != build(body).content_hash


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b'{"breakdowns": [{"id": "x"}], "state": "Processed"}',
        b'{"state": "Processed", "videos": null}',
        b'{"state": "Processed", "videos": []}',
        b'{"state": "Processed", "videos": [5]}',
        b'{"videos": [{"id": "x"}]}',
    ],
)
def test_what_is_no_index_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(UnusableError, match="the index"):
        indexes.parse(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"videos": [', b'\xff{"videos": []}'])
def test_what_is_no_json_may_be_another_thing_the_next_time(body: bytes) -> None:
    with pytest.raises(TransientError, match="the index is not JSON"):
        indexes.parse(body)


def test_half_a_character_costs_no_more_than_itself() -> None:
    body = index([keyword("one"), keyword("cut HALF")], name="all of \U0001f600 and half of HALF")
    document = build(body.replace(b"HALF", rb"\ud83d"))
    assert document.name == "all of \U0001f600 and half of \ufffd"
    assert [kept["text"] for kept in document.keywords] == ["one", "cut \ufffd"]


def test_a_byte_order_mark_is_fine() -> None:
    assert indexes.parse(b"\xef\xbb\xbf" + index()).state == "Processed"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
odd_keywords = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "text": st.text() | json_values,
        "confidence": st.floats(0, 1) | json_values,
        "language": json_values,
        "instances": st.lists(
            st.fixed_dictionaries({"start": st.text() | json_values, "end": json_values}) | json_values
        ),
        "normalized": json_values,
        "totalSeconds": json_values,
        "later": json_values,
    },
)


@given(st.lists(odd_keywords | json_values, max_size=5))
def test_whatever_the_keywords_are_there_is_a_document_that_reads_back(keywords: list[Any]) -> None:
    document = build(index(keywords))
    body = documents.encode(document)
    again = documents.decode(body)
    assert documents.encode(again) == body
    assert documents.encode(build(index(keywords))) == body
    assert len(document.keywords) + document.unreadable.keywords == len(keywords)
    assert len(documents.keywords_of(again)) == len(document.keywords)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_score_grows_with_confidence_and_with_time(
    low: float, high: float, less: float, more: float
) -> None:
    low, high = sorted((low, high))
    less, more = sorted((less, more))
    assert 0 <= score_of(low, less) <= score_of(high, more) <= 1


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value

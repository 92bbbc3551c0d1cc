"""CloudEvents about versions of documents."""

import hashlib
import json
from typing import Any

import pytest
from azure.core.messaging import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from keywire.documents import document as documents
from keywire.events import envelope
from keywire.ids import MAX_REFERENCE
from tests.support.builders import TRACEPARENT, VIDEO_ID, index, instance, keyword
from tests.support.events import SOURCE, URL, build, event_bytes, event_of


def test_the_first_processed_version_is_told_as_extracted() -> None:
    document = build(index([keyword("one"), keyword("two", confidence=1)]))
    event = event_of(document)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": event["id"],
        "source": SOURCE,
        "type": "keywire.keywords.extracted.v1",
        "subject": "videos/12345abcde",
        "time": "2026-03-02T09:15:27.413333Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:keywire:schema:keywire.keywords.extracted.v1",
        "sequence": "000000001",
        "partitionkey": "12345abcde",
        "traceparent": TRACEPARENT,
    }
    assert [told["text"] for told in data["keywords"]] == ["two", "one"]
    assert data["keywordCount"] == 2
    assert data["truncated"] is False
    assert data["document"] == {"url": URL, "sha256": hashlib.sha256(documents.encode(document)).hexdigest()}


def test_azures_own_cloudevent_class_reads_it() -> None:
    event: CloudEvent[object] = CloudEvent.from_dict(event_of(build(index([keyword("one")]))))
    assert event.extensions == {"sequence": "000000001", "partitionkey": VIDEO_ID, "traceparent": TRACEPARENT}
    assert isinstance(event.data, dict)


def test_a_later_version_tells_what_was_added_removed_and_changed() -> None:
    first = build(
        index([keyword("stays"), keyword("goes"), keyword("moves"), keyword("Fades", confidence=0.9)])
    )
    second = build(
        index(
            [
                keyword("STAYS", confidence=0.91, instances=[instance("0:00:01.5", "0:00:03")]),
                keyword("comes"),
                keyword("moves", instances=[instance("0:00:10", "0:00:12")]),
                keyword("fades", confidence=0.85),
            ]
        ),
        first,
    )
    data = event_of(second, first)["data"]
    assert [told["text"] for told in data["added"]] == ["comes"]
    assert [told["text"] for told in data["removed"]] == ["goes"]
    assert sorted(told["after"]["text"] for told in data["changed"]) == ["fades", "moves"]
    assert event_of(second, first)["sequence"] == "000000002"


def test_a_later_version_without_news_still_goes_out_with_empty_lists() -> None:
    first = build(index([keyword("one")]))
    event = event_of(build(index([keyword("one")], name="Another name"), first), first)
    assert event["type"] == "keywire.keywords.changed.v1"
    assert (event["data"]["added"], event["data"]["removed"], event["data"]["changed"]) == ([], [], [])


def test_the_first_good_version_after_failures_is_told_as_extracted() -> None:
    failed = build(index(None, state="Failed"))
    assert event_of(build(index([keyword("one")]), failed), failed)["type"] == "keywire.keywords.extracted.v1"


def test_after_a_failed_reindex_the_change_is_told_against_the_last_good_keywords() -> None:
    first = build(index([keyword("one"), keyword("two")]))
    failed = build(index(None, state="Failed"), first)
    third = build(index([keyword("two"), keyword("three")]), failed)
    data = event_of(third, failed)["data"]
    assert [told["text"] for told in data["added"]] == ["three"]
    assert [told["text"] for told in data["removed"]] == ["one"]


def test_a_failure_is_told_with_video_indexers_code_and_message() -> None:
    video = {"failureCode": "InvalidInput", "failureMessage": "There is no audio."}
    event = event_of(build(index(None, state="Failed", video=video)))
    assert event["type"] == "keywire.indexing.failed.v1"
    assert event["data"]["failure"] == {"code": "InvalidInput", "message": "There is no audio."}


@pytest.mark.parametrize("state", ["Processed", "Failed"])
def test_the_uploaders_reference_is_told_beside_the_external_id(state: str) -> None:
    data = event_of(build(index(state=state), reference="cms-2026-0042"))["data"]
    assert (data["externalId"], data["reference"]) == ("cms-1", "cms-2026-0042")
    assert data["truncated"] is False
    assert event_of(build(index(state=state)))["data"]["reference"] is None


def test_a_reference_that_is_too_long_is_only_in_the_document() -> None:
    longest = "x" * MAX_REFERENCE
    assert event_of(build(index(), reference=longest))["data"]["reference"] == longest
    data = event_of(build(index(), reference=longest + "x"))["data"]
    assert (data["reference"], data["truncated"]) == (None, True)


def test_an_id_repeats_for_the_same_information_and_only_for_it() -> None:
    first = build(index([keyword("one")]))
    second = build(index([keyword("two")]), first)
    assert event_of(first)["id"] == event_of(first)["id"]
    assert event_of(first)["id"] != event_of(second, first)["id"]
    assert envelope.event_id(first, 1, envelope.EXTRACTED) != envelope.event_id(first, 1, envelope.CHANGED)
    assert envelope.event_id(first, 1, envelope.EXTRACTED) != envelope.event_id(first, 2, envelope.EXTRACTED)
    assert envelope.event_id(first, 1, envelope.EXTRACTED) != envelope.event_id(second, 1, envelope.EXTRACTED)


def test_a_large_event_keeps_the_most_important_keywords_and_says_that_it_was_cut() -> None:
    many = [keyword(f"{number:05d}" + "x" * 195, confidence=number / 5000) for number in range(5000)]
    body = event_bytes(build(index(many)))
    data = json.loads(body)["data"]
    assert len(body) <= envelope.TARGET_BYTES
    assert data["truncated"] is True
    assert data["keywordCount"] == 5000
    told = [int(shown["text"][:5]) for shown in data["keywords"]]
    assert told == list(range(4999, 4999 - len(told), -1))
    one_more = len(body) + len(json.dumps(data["keywords"][-1], separators=(",", ":"))) + 1
    assert one_more > envelope.TARGET_BYTES


@pytest.mark.parametrize("character", ["x", "é", "東", "\u0000", '"'])
def test_no_text_however_long_or_escaped_makes_an_event_too_large_for_the_queue(character: str) -> None:
    long = character * 100_000
    video = {"externalId": long, "metadata": long, "failureCode": long, "failureMessage": long}
    insights = {"language": long, "keywords": [keyword(long), keyword("short")]}
    for state in ("Processed", "Failed"):
        described = index(state=state, name=long, video=video | {"insights": insights})
        document = build(described, reference=character * MAX_REFERENCE)
        body = event_bytes(document)
        assert len(body) <= envelope.MAX_BYTES
        assert json.loads(body)["data"]["truncated"] is True


@given(st.permutations([keyword("one"), keyword("two"), keyword("Two", confidence=0.1), keyword("three")]))
def test_the_order_of_keywords_changes_nothing_of_what_is_told(keywords: list[dict[str, Any]]) -> None:
    ordered = [keyword("one"), keyword("two"), keyword("Two", confidence=0.1), keyword("three")]
    before = build(index([keyword("one", confidence=0.1), keyword("four")]))
    told = event_of(build(index(keywords), before), before)["data"]
    expected = event_of(build(index(ordered), before), before)["data"]
    del told["document"], expected["document"]
    assert told == expected


def test_stored_events_read_back_as_the_bytes_that_went_in() -> None:
    body = event_bytes(build(index([keyword("line\u2028break\nand\rmore")])))
    assert envelope.split(envelope.join([body, body])) == (body, body)

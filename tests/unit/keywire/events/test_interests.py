"""CloudEvents about interests and removed videos, and which matches are in force after them."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import pytest

from keywire.documents import content
from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.interests import (
    MATCHED,
    MAX_RANGES,
    WITHDRAWN,
    active_matches,
    ended_matches,
    ever_matched,
    is_same,
)
from keywire.interests.interest import Interest
from keywire.interests.matching.matcher import Match, TermMatch
from tests.support.builders import ACCOUNT_ID, VIDEO_ID, index, keyword
from tests.support.events import build, origin_of
from tools import schemas

FIRST = build(index([keyword("film festivals"), keyword("robots")]))
SECOND = build(index([keyword("robots")]), FIRST)


def match(name: str, *texts: str, **fields: Any) -> Match:
    interest = Interest(id=name, name=name.title(), any_of=("festival",), **fields)
    terms = tuple(term(text) for text in texts or ("film festivals",))
    return Match(interest=interest, interest_hash=f"hash of {name}", score=0.5, terms=terms)


def term(text: str, ranges: tuple[tuple[float, float], ...] = ((1.0, 3.0),)) -> TermMatch:
    return TermMatch(
        term="festival",
        text=text,
        confidence=0.9,
        language="en-US",
        ranges=ranges,
        total_seconds=2.0 * len(ranges),
        video_id=None,
    )


def told(
    document: KeywordDocument, previous: KeywordDocument | None, *matches: Match, before: Any = None
) -> list[dict[str, Any]]:
    ended = ended_matches(matches, before or {})
    built = envelope.version_events(
        document, origin_of(document), previous=previous, matches=matches, ended=list(ended.values())
    )
    return [json.loads(event) for event in built]


def lines(*matches: Match) -> tuple[bytes, ...]:
    return envelope.version_events(FIRST, origin_of(FIRST), previous=None, matches=matches)


def removed(previous: KeywordDocument) -> KeywordDocument:
    return documents.build(
        content.REMOVED,
        account_id=ACCOUNT_ID,
        video_id=VIDEO_ID,
        previous=previous,
        failure_message=None,
        extracted_at=datetime(2026, 3, 3, tzinfo=UTC),
    )


def test_a_version_tells_of_its_keywords_first_and_then_of_each_interest() -> None:
    found = told(FIRST, None, match("a"), match("b"))
    assert [event["type"] for event in found] == [envelope.EXTRACTED, MATCHED, MATCHED]
    assert [event["subject"] for event in found[1:]] == [
        "videos/12345abcde/interests/a",
        "videos/12345abcde/interests/b",
    ]
    assert len({event["id"] for event in found}) == 3
    assert {event["sequence"] for event in found} == {"000000001"}


def test_a_match_says_why_and_where_and_hands_the_attributes_through() -> None:
    attributes = {"campaign": "spring", "nested": {"iab": ["IAB1-5"]}}
    (_, event) = told(FIRST, None, match("a", attributes=attributes))
    assert event["data"]["interest"] == {
        "id": "a",
        "name": "A",
        "hash": "hash of a",
        "attributes": attributes,
    }
    assert event["data"]["terms"] == [
        {
            "term": "festival",
            "text": "film festivals",
            "confidence": 0.9,
            "language": "en-US",
            "ranges": [[1.0, 3.0]],
            "totalSeconds": 2.0,
        }
    ]
    assert event["data"]["score"] == 0.5


def test_an_id_depends_on_the_interests_definition_and_not_on_why_it_matched() -> None:
    (_, first) = told(FIRST, None, match("a"))
    (_, same) = told(FIRST, None, match("a", "another keyword"))
    (_, other) = told(FIRST, None, msgspec.structs.replace(match("a"), interest_hash="another"))
    assert first["id"] == same["id"] != other["id"]


def test_what_matched_before_and_does_not_now_is_withdrawn() -> None:
    before = active_matches(lines(match("a"), match("b")))
    found = told(SECOND, FIRST, match("b"), before=before)
    assert [(event["type"], event["subject"][-1]) for event in found[1:]] == [
        (MATCHED, "b"),
        (WITHDRAWN, "a"),
    ]
    former = json.loads(lines(match("a"))[1])
    assert found[-1]["data"]["interest"] == former["data"]["interest"]
    assert found[-1]["data"]["former"] == {
        "eventId": former["id"],
        "version": 1,
        "score": 0.5,
        "terms": former["data"]["terms"],
    }
    assert found[-1]["sequence"] == "000000002"


def test_a_removed_video_takes_back_its_keywords_and_every_match() -> None:
    tombstone = removed(FIRST)
    found = told(tombstone, FIRST, before=active_matches(lines(match("a"))))
    assert [event["type"] for event in found] == [envelope.REMOVED, WITHDRAWN]
    assert [kept["text"] for kept in found[0]["data"]["keywords"]] == ["film festivals", "robots"]


def test_what_is_in_force_follows_the_order_of_events() -> None:
    matched = lines(match("a"), match("b"))
    gone = envelope.version_events(
        SECOND, origin_of(SECOND), previous=FIRST, ended=list(active_matches(matched).values())
    )
    assert active_matches(matched).keys() == {"a", "b"}
    assert active_matches([*matched, *gone]) == {}
    assert active_matches([*matched, *gone, *matched]).keys() == {"a", "b"}


@pytest.mark.parametrize(
    ("changes", "same"), [({}, True), ({"interest_hash": "another"}, False), ({"score": 0.75}, False)]
)
def test_a_match_with_another_definition_or_score_is_not_the_same(
    changes: dict[str, Any], same: bool
) -> None:
    active = active_matches(lines(match("a")))["a"]
    assert is_same(msgspec.structs.replace(match("a"), **changes), active) is same


def test_a_match_of_an_interest_without_an_active_match_is_not_the_same() -> None:
    assert not is_same(match("a"), None)


def test_what_was_ever_matched_includes_what_was_withdrawn_since() -> None:
    matched = lines(match("a"), match("b"))
    gone = envelope.version_events(
        SECOND, origin_of(SECOND), previous=FIRST, ended=list(active_matches(matched).values())
    )
    assert ever_matched([*matched, *gone]).keys() == {"a", "b"}


def test_an_interest_that_matches_again_in_a_later_edition_gets_another_id() -> None:
    ids = {
        json.loads(event)["id"]
        for edition in (1, 2, 3)
        for event in envelope.interest_events(
            FIRST, origin_of(FIRST, edition), matches=[match("a")], ended=[]
        )
    }
    assert len(ids) == 3


@pytest.mark.parametrize("character", ["x", "é", "東", "\u0000", '"'])
def test_no_match_makes_an_event_too_large_for_the_queue(character: str) -> None:
    ranges = tuple((float(start), start + 0.123456) for start in range(500))
    terms = tuple(term(character * 10_000, ranges) for _ in range(300))
    interest = Interest(id="a" * 64, name=character * 200, any_of=("x",), attributes={"a": character * 500})
    large = Match(interest=interest, interest_hash="h" * 64, score=0.5, terms=terms)
    built = lines(large)
    gone = envelope.version_events(
        SECOND, origin_of(SECOND), previous=FIRST, ended=list(active_matches(built).values())
    )
    for event in (*built, *gone):
        assert len(event) <= envelope.MAX_BYTES
    data = json.loads(built[1])["data"]
    assert data["truncated"] is True
    assert all(len(told["ranges"]) <= MAX_RANGES for told in data["terms"])


def test_every_event_is_what_its_schema_says() -> None:
    built = [*told(FIRST, None, match("a")), *told(SECOND, FIRST, before=active_matches(lines(match("a"))))]
    built += told(removed(FIRST), FIRST)
    assert {event["type"] for event in built} == {
        *(envelope.EXTRACTED, envelope.CHANGED, envelope.REMOVED),
        *(MATCHED, WITHDRAWN),
    }
    for event in built:
        jsonschema.validate(event["data"], schemas.schema_of(event["type"]))

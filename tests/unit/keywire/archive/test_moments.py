"""From a document to what the archive stores."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.archive.moments import MAX_RANGES, archived, keyword_key, score_of_weight, video_key, weight_of
from keywire.archive.text import storable
from keywire.documents.content import REMOVED_STATE
from keywire.documents.document import KeywordDocument
from tests.support.archives import NOW, document, sent
from tests.support.builders import ACCOUNT_ID


def test_ids_are_hashes_that_no_release_may_change() -> None:
    assert video_key(ACCOUNT_ID, "v1") == 5027354679072781990
    assert video_key("a", "bc") != video_key("ab", "c")
    assert -(2**63) <= keyword_key("en-US", "film") < 2**63


@given(st.floats(0, 1))
def test_a_weight_is_a_score_that_can_be_added(score: float) -> None:
    assert score_of_weight(weight_of(score)) == pytest.approx(min(score, 0.9999), abs=6e-4)


def test_two_weights_are_the_score_of_both() -> None:
    both = score_of_weight(weight_of(0.75) + weight_of(0.5))
    assert both == pytest.approx(1 - 0.25 * 0.5, abs=1e-3)
    assert weight_of(1.0) == weight_of(math.inf) < 10_000


def test_a_removed_video_has_no_text() -> None:
    stored = archived(document("a", "film", state=REMOVED_STATE, external_id="mine", metadata='{"a": "b"}'))
    assert stored.removed
    assert (stored.name, stored.external_id, stored.language, stored.occurrences) == (None, None, None, ())
    assert stored.metadata == {}


def test_a_document_without_a_creation_says_so() -> None:
    stored = archived(document("a", "film"))
    assert (stored.created, stored.created_known) == (NOW, False)


def with_keywords(*fields: dict[str, object]) -> KeywordDocument:
    base = document("a", *(["text"] * len(fields)))
    keywords = tuple(kept | new for kept, new in zip(base.keywords, fields, strict=True))
    return msgspec.structs.replace(base, keywords=keywords)


def test_the_same_text_and_language_is_one_occurrence_and_another_language_another() -> None:
    stored = archived(
        document("a", sent("film", seconds=4), sent("film", confidence=None, seconds=2), sent("film", "de"))
    )
    assert [(each.text, each.language, each.milliseconds) for each in stored.occurrences] == [
        ("film", "en-US", 6000),
        ("film", "de", 10_000),
    ]
    assert stored.occurrences[0].confidence == 9000
    assert stored.occurrences[0].ranges == (1000, 3000, 1000, 5000)


def test_ranges_beyond_the_bound_are_cut_and_counted() -> None:
    ranges = [[float(n), n + 0.5] for n in range(MAX_RANGES + 7)]
    stored = archived(with_keywords({"text": "film", "ranges": ranges}))
    assert len(stored.occurrences[0].ranges) == 2 * MAX_RANGES
    assert stored.cut == 7


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, {}),
        ("", {}),
        ("desk=news", {}),
        ("[1]", {}),
        ('"text"', {}),
        ('{"desk": "news", "shift": 2, "live": true, "x": null, "deep": {"a": 1}}', None),
        ('{"nul": "a\\u0000b"}', {"nul": "a\ufffdb"}),
        ('{"big": 1e400}', {}),
        ("[" * 100_000, {}),
    ],
)
def test_the_scalar_fields_of_metadata_can_be_searched(
    metadata: str | None, expected: dict[str, str] | None
) -> None:
    stored = archived(document("a", metadata=metadata))
    assert stored.metadata == (
        {"desk": "news", "shift": "2", "live": "true"} if expected is None else expected
    )


def test_what_postgresql_cannot_store_is_replaced() -> None:
    assert storable("a\0b\ud83dc") == "a\ufffdb\ufffdc"
    assert storable("💡 ok") == "💡 ok"

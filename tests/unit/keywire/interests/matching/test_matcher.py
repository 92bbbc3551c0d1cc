"""Matching: the rules, what a match tells, and that the quick way finds what the slow way finds."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.documents.document import KeywordDocument
from keywire.interests.interest import Interest, hash_of
from keywire.interests.matching import matcher as matching
from keywire.interests.matching.matcher import Match, Matcher
from keywire.interests.matching.words import primary, stem_keys, words_of
from keywire.video_indexer import index as indexes
from tests.support.builders import ACCOUNT_ID, VIDEO_ID, index, instance, keyword


def document(*keywords: dict[str, Any]) -> KeywordDocument:
    return build(index(list(keywords)))


def build(body: bytes) -> KeywordDocument:
    return documents.build(
        read_content(indexes.parse(body)),
        account_id=ACCOUNT_ID,
        video_id=VIDEO_ID,
        previous=None,
        failure_message=None,
        extracted_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


def compiled(*interests: dict[str, Any]) -> Matcher:
    return matching.compile(json.dumps({"interests": interests}).encode())


def match(heard: KeywordDocument, **interest: Any) -> Match | None:
    found = compiled({"id": "one", "name": "One"} | interest).match(heard)
    return found[0] if found else None


def score(heard: KeywordDocument, **interest: Any) -> float:
    found = match(heard, **interest)
    assert found is not None
    return found.score


@pytest.mark.parametrize(
    ("term", "text", "language"),
    [
        ("movie", "English movies", "en-US"),
        ("Film Festivals", "the film festival in Brighton", "en-GB"),
        ("CAFÉ", "cafe society", None),
        ("人工知能", "人工知能学会", "ja-JP"),
        ("ロボット", "'ロボットOS", "en-US"),
        ("c++", "Modern C++", "en-US"),
        ("ux ui", "ux/ui", "en-US"),
    ],
)
def test_a_term_meets_a_keyword_in_which_its_words_follow_each_other(
    term: str, text: str, language: str | None
) -> None:
    assert match(document(keyword(text, language=language)), anyOf=[term]) is not None


@pytest.mark.parametrize(
    ("term", "text", "language"),
    [
        ("england", "English movies", "en-US"),
        ("film festival", "festival film", "en-US"),
        ("film festival", "film and festival", "en-US"),
        ("movie", "movies", "ja-JP"),
        ("art", "party", "en-US"),
        ("c++", "vitamin c", "en-US"),
    ],
)
def test_it_meets_no_other_keyword(term: str, text: str, language: str) -> None:
    assert match(document(keyword(text, language=language)), anyOf=[term]) is None


def test_the_words_of_two_keywords_are_no_phrase() -> None:
    assert match(document(keyword("film"), keyword("festival")), anyOf=["film festival"]) is None


def test_every_term_of_all_of_must_be_met_and_one_of_any_of() -> None:
    heard = document(keyword("england"), keyword("movies"))
    assert match(heard, allOf=["england", "movie"])
    assert match(heard, allOf=["england"], anyOf=["theatre", "movie"])
    assert not match(heard, allOf=["england", "theatre"])
    assert not match(heard, allOf=["england"], anyOf=["theatre"])
    assert not match(heard, allOf=["theatre"], anyOf=["movie"])


def test_a_keyword_below_the_confidence_does_not_count() -> None:
    heard = document(keyword("movie", confidence=0.7))
    assert match(heard, anyOf=["movie"], minConfidence=0.7)
    assert not match(heard, anyOf=["movie"], minConfidence=0.71)


def test_an_absent_confidence_counts_as_half() -> None:
    heard = document(keyword("movie", confidence=None))
    assert match(heard, anyOf=["movie"], minConfidence=0.5)
    assert not match(heard, anyOf=["movie"], minConfidence=0.51)


@pytest.mark.parametrize(
    ("languages", "label", "counts"),
    [
        (["en"], "en-US", True),
        (["de", "EN"], "en-GB", True),
        (["en-gb"], "en-GB", True),
        (["en-GB"], "en-US", False),
        (["en-GB"], "en", False),
        (["en"], "eng-US", False),
        (["en"], None, True),
    ],
)
def test_only_keywords_of_its_languages_count(languages: list[str], label: str | None, counts: bool) -> None:
    heard = document(keyword("movie", language=label))
    assert (match(heard, anyOf=["movie"], languages=languages) is not None) is counts


def test_none_of_excludes_whatever_the_keyword_s_confidence_or_language() -> None:
    wanted = {"anyOf": ["movie"], "noneOf": ["horror"], "minConfidence": 0.8, "languages": ["en"]}
    assert match(document(keyword("movie")), **wanted)
    assert not match(document(keyword("movie"), keyword("horror", confidence=0.1, language="de")), **wanted)


def test_the_merged_time_of_what_counts_must_be_enough() -> None:
    first = keyword("movie", instances=[instance("0:00:00", "0:00:10")])
    second = keyword("film", instances=[instance("0:00:05", "0:00:12")])
    assert match(document(first, second), anyOf=["movie", "film"], minSeconds=12)
    assert not match(document(first, second), anyOf=["movie", "film"], minSeconds=12.1)
    assert not match(document(first, second), anyOf=["movie"], minSeconds=12)


def test_times_of_different_videos_of_a_project_are_never_merged() -> None:
    insights = {"keywords": [keyword("movie", instances=[instance("0:00:00", "0:00:10")])]}
    videos = [{"id": name, "state": "Processed", "insights": insights} for name in ("aaa", "bbb")]
    heard = build(json.dumps({"id": "p", "state": "Processed", "videos": videos}).encode())
    found = match(heard, anyOf=["movie"], minSeconds=20)
    assert found is not None
    assert [term.video_id for term in found.terms] == ["aaa", "bbb"]
    assert [term.ranges for term in found.terms] == [((0.0, 10.0),), ((0.0, 10.0),)]


def test_a_match_explains_itself() -> None:
    heard = document(
        keyword("old movies", confidence=0.5), keyword("english cinema", instances=[]), keyword("price")
    )
    found = match(heard, anyOf=["Movie", "English cinema"], attributes={"campaign": 7})
    assert found is not None
    assert found.interest.attributes == {"campaign": 7}
    assert found.interest_hash == hash_of(found.interest)
    assert [(term.term, term.text) for term in found.terms] == [
        ("English cinema", "english cinema"),
        ("Movie", "old movies"),
    ]
    movies = found.terms[1]
    assert (movies.confidence, movies.language, movies.ranges) == (0.5, "en-US", ((1.0, 3.0),))
    assert (movies.total_seconds, movies.video_id) == (2.0, None)


def test_the_score_follows_the_formula() -> None:
    ten, thirty = ([instance("0:00:00", f"0:00:{seconds}")] for seconds in (10, 30))
    heard = document(
        keyword("movie", confidence=0.8, instances=ten), keyword("film", confidence=0.4, instances=thirty)
    )
    one = 0.8 * (0.5 + 0.5 * 10 / 40)
    two = 0.4 * (0.5 + 0.5 * 30 / 60)
    expected = 0.5 * (1 - (1 - one) * (1 - two))
    assert score(heard, anyOf=["movie", "film"], weight=0.5) == round(expected, 4)


def test_a_term_that_is_written_twice_counts_once() -> None:
    heard = document(keyword("movie"))
    assert score(heard, anyOf=["movie", "Movie!"]) == score(heard, anyOf=["movie"])


def test_matches_come_by_interest_id_and_the_file_is_known_by_its_hash() -> None:
    two, one = ({"id": name, "name": name, "anyOf": ["movie"]} for name in "ba")
    matcher = compiled(two, one)
    assert [found.interest.id for found in matcher.match(document(keyword("movies")))] == ["a", "b"]
    assert matcher.hash != compiled(one, two).hash


def test_what_one_interest_matches_does_not_depend_on_another_s_spelling() -> None:
    plain, accented = (
        {"id": term, "name": term, "anyOf": [text]} for term, text in (("a", "ete"), ("b", "été"))
    )
    heard = document(keyword("étés", language="fr-FR"))
    alone = [found.interest.id for found in compiled(plain).match(heard)]
    together = [found.interest.id for found in compiled(plain, accented).match(heard)]
    assert [name for name in together if name == "a"] == alone


WORDS = [
    "movie",
    "movies",
    "film",
    "festival",
    "café",
    "cafe",
    "cafés",
    "england",
    "人工",
    "工",
    "c++",
    "été",
    "étés",
]
phrases = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
terms = st.lists(phrases, max_size=3)
interests = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.just("x"),
            "anyOf": terms,
            "allOf": terms,
            "noneOf": st.lists(phrases, max_size=1),
            "languages": st.sampled_from([[], ["en"], ["fr", "ja-JP"]]),
            "minConfidence": st.sampled_from([0, 0.6]),
            "minSeconds": st.sampled_from([0, 4]),
            "weight": st.sampled_from([0.5, 1]),
        }
    ),
    max_size=6,
)
times = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(
        lambda pair: instance(f"0:00:0{min(pair)}", f"0:00:0{max(pair)}")
    ),
    max_size=2,
)
keywords = st.lists(
    st.builds(
        lambda text, confidence, language, instances: keyword(
            text, confidence=confidence, language=language, instances=instances
        ),
        phrases,
        st.sampled_from([0.4, 0.6211, 0.9752, None]),
        st.sampled_from(["en-US", "fr-FR", "ja-JP", None]),
        times,
    ),
    max_size=5,
)


def valid(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that may stand in a file, with ids."""

    def folded(names: list[str]) -> set[tuple[str, ...]]:
        return {tuple(word.folded for word in words_of(term)) for term in names}

    return [
        entry | {"id": str(number)}
        for number, entry in enumerate(drawn)
        if (entry["anyOf"] or entry["allOf"])
        and not folded(entry["noneOf"]) & folded(entry["anyOf"] + entry["allOf"])
    ]


def meets(term: str, stored: dict[str, Any]) -> bool:
    language = primary(stored["language"])

    def same(one: Any, other: Any) -> bool:
        return one.folded == other.folded or bool(stem_keys(one, language) & stem_keys(other, language))

    wanted, heard = words_of(term), words_of(stored["text"])
    return any(
        all(same(one, other) for one, other in zip(wanted, heard[start:], strict=False))
        for start in range(len(heard) - len(wanted) + 1)
    )


def slowly(interest: Interest, heard: KeywordDocument) -> bool:
    """The rules as one would say them."""

    def counts(stored: dict[str, Any]) -> bool:
        confidence = 0.5 if stored["confidence"] is None else stored["confidence"]
        label = stored["language"]
        languages = interest.languages
        spoken = not languages or label is None or label in languages or primary(label) in languages
        return confidence >= interest.min_confidence and spoken

    counting = [stored for stored in heard.keywords if counts(stored)]
    wanted = interest.any_of + interest.all_of
    seconds = {
        tenth
        for stored in counting
        if any(meets(term, stored) for term in wanted)
        for start, end in stored["ranges"]
        for tenth in range(int(start), int(end))
    }
    return (
        not any(meets(term, stored) for term in interest.none_of for stored in heard.keywords)
        and all(any(meets(term, stored) for stored in counting) for term in interest.all_of)
        and (
            not interest.any_of or any(meets(term, stored) for term in interest.any_of for stored in counting)
        )
        and len(seconds) >= interest.min_seconds
    )


@settings(max_examples=150, deadline=None)
@given(interests, keywords)
def test_it_finds_what_looking_at_every_interest_finds(
    drawn: list[dict[str, Any]], heard: list[dict[str, Any]]
) -> None:
    matcher, read = compiled(*valid(drawn)), document(*heard)
    everything = [matcher.get(entry["id"]) for entry in valid(drawn)]
    expected = [interest.id for interest in everything if interest and slowly(interest, read)]
    assert [found.interest.id for found in matcher.match(read)] == sorted(expected)


@settings(max_examples=60, deadline=None)
@given(interests, keywords, st.randoms())
def test_no_order_changes_anything(
    drawn: list[dict[str, Any]], heard: list[dict[str, Any]], chance: Any
) -> None:
    entries = valid(drawn)
    found = compiled(*entries).match(document(*heard))
    chance.shuffle(entries)
    chance.shuffle(heard)
    assert compiled(*entries).match(document(*heard)) == found


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 59), st.integers(0, 59), st.booleans())
def test_a_score_grows_with_confidence_with_time_and_with_terms(
    low: float, high: float, less: int, more: int, further: bool
) -> None:
    low, high = sorted((low, high))
    less, more = sorted((less, more))

    def heard(confidence: float, seconds: int) -> dict[str, Any]:
        times = [instance("0:00:00", f"0:00:{seconds:02}")]
        return keyword("movie", confidence=confidence, instances=times)

    rest = [keyword("festival")] if further else []
    wanted = {"anyOf": ["movie", "festival"]}
    assert (
        0
        <= score(document(heard(low, less)), **wanted)
        <= score(document(heard(high, more), *rest), **wanted)
        <= 1
    )

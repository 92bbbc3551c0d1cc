"""The rules by which a document concerns an interest, and how much.

Pure. A keyword counts if its language is one of the interest's (one without a label passes) and its
confidence is enough (an absent one is `UNKNOWN_CONFIDENCE`). Of the keywords that count at least one must
meet a term of `anyOf`, where the interest has it, every term of `allOf` must be met, and those that meet a
term must together be on for `minSeconds`. A term of `noneOf` excludes whichever keyword it meets, also one
that does not count: what is wrongly left out costs less than what is wrongly promoted.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from keywire.documents.keyword import UNKNOWN_CONFIDENCE, Keyword, score_of
from keywire.interests.interest import Interest, hash_of
from keywire.interests.matching.document_words import DocumentWords
from keywire.interests.matching.words import words_of
from keywire.video_indexer.timespans import TICKS_PER_SECOND, Range, merge, to_seconds

# A release that changes letters, word forms or scores raises it: every document is then matched again.
RULES_VERSION: Final = 1
SCORE_DIGITS: Final = 4


class TermMatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A term that met a keyword.

    Attributes:
        term: As it stands in the file.
        text, confidence, language: The keyword's, as Video Indexer sent them.
        ranges: When the keyword is on, `[start, end]` in seconds, sorted and disjoint.
        total_seconds: The sum of the ranges.
        video_id: In a project, the video that the times belong to.
    """

    term: str
    text: str
    confidence: float | None
    language: str | None
    ranges: tuple[tuple[float, float], ...]
    total_seconds: float
    video_id: str | None


class Match(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A document concerns an interest.

    Attributes:
        interest: The interest, with its attributes.
        interest_hash: SHA-256 (hex) over it.
        score: 0 to 1, see `score_of_terms`.
        terms: What was met, the best first.
    """

    interest: Interest
    interest_hash: str
    score: float
    terms: tuple[TermMatch, ...]


def match(interest: Interest, document: DocumentWords) -> Match | None:
    """Why `document` concerns `interest`, or None if it does not."""
    if any(document.meeting(words_of(term)) for term in interest.none_of):
        return None
    met: dict[str, list[Keyword]] = {}
    for term in (*interest.all_of, *interest.any_of):
        counting = [keyword for keyword in document.meeting(words_of(term)) if _counts(keyword, interest)]
        if counting:
            met[term] = counting
    if not all(term in met for term in interest.all_of):
        return None
    if interest.any_of and not any(term in met for term in interest.any_of):
        return None
    if seconds_of(keyword for keywords in met.values() for keyword in keywords) < interest.min_seconds:
        return None
    return Match(
        interest=interest,
        interest_hash=hash_of(interest),
        score=round(interest.weight * score_of_terms(_distinct(met)), SCORE_DIGITS),
        terms=_explain(met),
    )


def stamp_of(file_hash: str) -> str:
    """Return the stamp of a file: 16 hex digits over its SHA-256 and `RULES_VERSION`."""
    return hashlib.sha256(f"{RULES_VERSION} {file_hash}".encode()).hexdigest()[:16]


def score_of_terms(met: Iterable[Collection[Keyword]]) -> float:
    """How much the keywords that each of some distinct terms met say together, 0 to 1.

    `1 - Π (1 - s)` over the terms, where `s` is `keywire.documents.keyword.score_of` of the best confidence
    among the term's keywords and of the time that they are on together. It grows with confidence, time and
    terms.
    """
    missed = 1.0
    for keywords in met:
        confidence = max(_confidence(keyword) for keyword in keywords)
        missed *= 1.0 - score_of(confidence, seconds_of(keywords))
    return 1.0 - missed


def seconds_of(keywords: Iterable[Keyword]) -> float:
    """How long at least one of the keywords is on; times of different videos are different times."""
    by_video: dict[str | None, list[Range]] = {}
    for keyword in keywords:
        by_video.setdefault(keyword.video_id, []).extend(
            Range(round(start * TICKS_PER_SECOND), round(end * TICKS_PER_SECOND))
            for start, end in keyword.ranges
        )
    merged = (current for ranges in by_video.values() for current in merge(ranges))
    return to_seconds(sum(current.end - current.start for current in merged))


def _counts(keyword: Keyword, interest: Interest) -> bool:
    return _confidence(keyword) >= interest.min_confidence and (
        not interest.languages
        or keyword.language is None
        or any(_is_within(keyword.language.lower(), language.lower()) for language in interest.languages)
    )


def _is_within(label: str, language: str) -> bool:
    """Whether `en-us` is of `en`, or of `en-us`."""
    return label == language or label.startswith(f"{language}-")


def _confidence(keyword: Keyword) -> float:
    return UNKNOWN_CONFIDENCE if keyword.confidence is None else keyword.confidence


def _distinct(met: dict[str, list[Keyword]]) -> Iterable[list[Keyword]]:
    """The keywords by term; `Film` and `film` are one."""
    return {
        tuple(word.folded for word in words_of(term)): keywords for term, keywords in met.items()
    }.values()


def _explain(met: dict[str, list[Keyword]]) -> tuple[TermMatch, ...]:
    pairs = [(keyword, term) for term, keywords in met.items() for keyword in keywords]
    return tuple(
        TermMatch(
            term=term,
            text=keyword.text,
            confidence=keyword.confidence,
            language=keyword.language,
            ranges=keyword.ranges,
            total_seconds=keyword.total_seconds,
            video_id=keyword.video_id,
        )
        for keyword, term in sorted(pairs, key=_importance)
    )


def _importance(pair: tuple[Keyword, str]) -> tuple[object, ...]:
    """What sorts the best first, and leaves no two that differ side by side in either order."""
    keyword, term = pair
    return (
        -score_of(keyword.confidence, keyword.total_seconds),
        keyword.normalized,
        keyword.text,
        term,
        keyword.video_id or "",
        keyword.language or "",
        -_confidence(keyword),
        keyword.confidence is None,
        keyword.ranges,
    )

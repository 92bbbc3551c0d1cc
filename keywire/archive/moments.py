"""A document as the archive stores it: one video, and one occurrence for each distinct keyword.

Pure. A document is never refused: what does not fit is cut, and `cut` counts it. The bounds are far beyond what Video
Indexer sends; they keep one hostile document from taking the archive's time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from keywire.archive.text import key_of, storable
from keywire.documents.content import REMOVED_STATE
from keywire.documents.document import KeywordDocument, keywords_of
from keywire.documents.keyword import Keyword, score_of

MAX_KEYWORDS: Final = 10_000
MAX_TEXT: Final = 500
MAX_RANGES: Final = 1_000
MAX_NAME: Final = 1_000
MAX_ID: Final = 256
MAX_LANGUAGE: Final = 35
MAX_FIELDS: Final = 64
MAX_VALUE: Final = 256
# The last millisecond that an `int` holds: 24 days.
MAX_MILLISECONDS: Final = 2**31 - 1

WEIGHT_UNIT: Final = 1_000
_MAX_SCORE: Final = 0.9999
CONFIDENCE_UNIT: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A keyword in a video.

    Attributes:
        keyword: The id of language and text.
        language: The keyword's label as sent; empty if it has none.
        text: As Video Indexer sent it.
        weight: See `weight_of`.
        confidence: In ten-thousandths; None if unknown.
        milliseconds: The sum of the ranges.
        ranges: Start and end in milliseconds, again and again.
        parts: For each range the index of its video in `sources`; None unless the document is a project's.
    """

    keyword: int
    language: str
    text: str
    weight: int
    confidence: int | None
    milliseconds: int
    ranges: tuple[int, ...]
    parts: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedVideo:
    """A document's entry in the archive.

    Attributes:
        video: The id of account and video.
        removed: Whether it is a tombstone: no name, no metadata, no occurrences.
        created: When the video was created, or when the document was extracted if `created_known` is false.
        metadata: The scalar fields of the uploader's metadata, if that is a JSON object.
        sources: The videos of a project; None for a plain video.
        cut: How many keywords, texts, ranges and fields did not fit.
    """

    video: int
    account_id: str
    video_id: str
    version: int
    content_hash: str
    extracted_at: datetime
    state: str
    removed: bool
    name: str | None
    external_id: str | None
    language: str | None
    created: datetime
    created_known: bool
    seconds: float | None
    metadata: Mapping[str, str]
    sources: tuple[str, ...] | None
    cut: int
    occurrences: tuple[Occurrence, ...]


def video_key(account_id: str, video_id: str) -> int:
    """Return the id of a video."""
    return key_of(account_id, video_id)


def keyword_key(language: str, text: str) -> int:
    """Return the id of a keyword."""
    return key_of(language, text)


def weight_of(score: float) -> int:
    """Return a score as evidence that can be added: `-1000 × ln(1 - score)`.

    The score of two weights together is `1 - (1 - a)(1 - b)`, as in an interest's match. An integer, because sums of
    floats depend on their order.
    """
    return round(-WEIGHT_UNIT * math.log1p(-min(max(score, 0.0), _MAX_SCORE)))


def score_of_weight(weight: int) -> float:
    """Return the score, 0 to 1, of a sum of weights."""
    return round(-math.expm1(-weight / WEIGHT_UNIT), 4)


def archived(document: KeywordDocument) -> ArchivedVideo:
    """Return the entry of a document."""
    removed = document.state == REMOVED_STATE
    keywords = () if removed else keywords_of(document)
    sources = _sources(keywords)
    cut = _Cuts()
    kept = _kept(keywords, cut)
    metadata = {} if removed else _metadata(document.metadata, cut)
    return ArchivedVideo(
        video=video_key(document.account_id, document.video_id),
        account_id=document.account_id,
        video_id=document.video_id,
        version=document.version,
        content_hash=document.content_hash,
        extracted_at=document.extracted_at,
        state=document.state,
        removed=removed,
        name=None if removed else cut.text(document.name, MAX_NAME),
        external_id=None if removed else cut.text(document.external_id, MAX_ID),
        language=None if removed else _language(document.language) or None,
        created=document.extracted_at,
        created_known=False,
        seconds=None if removed else document.duration_seconds,
        metadata=metadata,
        sources=tuple(sources) or None,
        occurrences=tuple(_occurrences(kept, sources, cut)),
        cut=cut.count,
    )


class _Cuts:
    """Counts what does not fit."""

    def __init__(self) -> None:
        self.count = 0

    def text(self, text: str | None, length: int) -> str | None:
        if text is None:
            return None
        if len(text) > length:
            self.count += 1
        return storable(text[:length])


def _kept(keywords: Sequence[Keyword], cut: _Cuts) -> Sequence[Keyword]:
    """Return the keywords that fit, the best ones if there are too many."""
    if len(keywords) <= MAX_KEYWORDS:
        return keywords
    cut.count += len(keywords) - MAX_KEYWORDS
    return sorted(keywords, key=lambda each: (-each.score, each.text, each.language or ""))[:MAX_KEYWORDS]


def _occurrences(keywords: Iterable[Keyword], sources: Mapping[str, int], cut: _Cuts) -> Iterable[Occurrence]:
    """Return an occurrence for each language and text; a project has the same ones in several videos."""
    together: dict[tuple[str, str], list[Keyword]] = {}
    for keyword in keywords:
        text = cut.text(keyword.text, MAX_TEXT)
        assert text is not None
        together.setdefault((_language(keyword.language), text), []).append(keyword)
    for (language, text), same in together.items():
        confidences = [each.confidence for each in same if each.confidence is not None]
        confidence = max(confidences) if confidences else None
        ranges, parts = _ranges(same, sources, cut)
        seconds = sum(each.total_seconds for each in same)
        yield Occurrence(
            keyword=keyword_key(language, text),
            language=language,
            text=text,
            weight=weight_of(score_of(confidence, seconds)),
            confidence=None
            if confidence is None
            else round(min(1.0, max(0.0, confidence)) * CONFIDENCE_UNIT),
            milliseconds=min(MAX_MILLISECONDS, round(seconds * 1000)),
            ranges=ranges,
            parts=parts,
        )


def _ranges(
    keywords: Iterable[Keyword], sources: Mapping[str, int], cut: _Cuts
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    found = sorted(
        {
            (sources.get(keyword.video_id or "", 0), round(start * 1000), round(end * 1000))
            for keyword in keywords
            for start, end in keyword.ranges
        }
    )
    fitting = [each for each in found if each[2] <= MAX_MILLISECONDS][:MAX_RANGES]
    cut.count += len(found) - len(fitting)
    return (
        tuple(time for _, start, end in fitting for time in (start, end)),
        tuple(part for part, _, _ in fitting) if sources else None,
    )


def _sources(keywords: Iterable[Keyword]) -> dict[str, int]:
    """Number the videos of a project that have keywords."""
    ids = sorted({storable(each.video_id[:MAX_ID]) for each in keywords if each.video_id is not None})
    return {video_id: number for number, video_id in enumerate(ids)}


def _language(language: str | None) -> str:
    return storable(language) if language and len(language) <= MAX_LANGUAGE else ""


def _metadata(metadata: str | None, cut: _Cuts) -> dict[str, str]:
    """Return the scalar fields of a JSON object, as text; nothing if it is something else."""
    if not metadata:
        return {}
    try:
        fields = msgspec.json.decode(metadata, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    scalars = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in fields.items()
        if isinstance(value, str | int | float | bool)
    }
    fitting = {
        storable(name): storable(value)
        for name, value in list(scalars.items())[:MAX_FIELDS]
        if len(name) <= MAX_VALUE and len(value) <= MAX_VALUE
    }
    cut.count += len(scalars) - len(fitting)
    return fitting

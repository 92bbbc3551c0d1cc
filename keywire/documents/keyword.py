"""A keyword of a document: Video Indexer's own object, and what every consumer would compute again.

Pure. Video Indexer's fields are kept as they came, so that whoever reads its JSON can read ours; added are
normalized text, merged time ranges, seconds, a score. Should Video Indexer ever send a field of a name that
is ours, its value moves to `videoIndexer` of that keyword.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keywire.documents.content import SentKeyword
from keywire.documents.text import normalize
from keywire.video_indexer.timespans import Range, merge, parse_timespan, to_seconds

# Half of a keyword's score is its confidence alone; the other half grows with its time, and is
# itself half reached after this many seconds.
HALF_TIME_SECONDS: Final = 30.0
# What an absent confidence counts as: neither trusted nor dismissed.
UNKNOWN_CONFIDENCE: Final = 0.5


class Keyword(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword as consumers read it; a stored one has Video Indexer's own fields besides.

    Attributes:
        text: As Video Indexer sends it.
        confidence: 0 to 1, or None where there is none.
        language: Its label, which can be wrong.
        normalized: The text by which keywords are compared (`keywire.documents.text.normalize`).
        ranges: `[start, end]` in seconds of the original video, sorted and disjoint.
        total_seconds: The sum of the ranges.
        first_seconds: The start of the first range, or None without any.
        score: 0 to 1, see `score_of`.
        video_id: In a project, the video that the times belong to.
    """

    text: str
    confidence: float | None = None
    language: str | None = None
    normalized: str
    ranges: tuple[tuple[float, float], ...]
    total_seconds: float
    first_seconds: float | None
    score: float
    video_id: str | None = None


_ADDED: Final = frozenset(
    {*Keyword.__struct_encode_fields__, "videoIndexer"} - {"text", "confidence", "language"}
)


def enrich(keyword: SentKeyword) -> tuple[dict[str, Any], int]:
    """The keyword with our fields added, and how many of its instances can't be read."""
    sent = keyword.fields
    ranges, broken = _ranges(sent.get("instances"))
    total = to_seconds(sum(current.end - current.start for current in ranges))
    added: dict[str, Any] = {
        "normalized": normalize(sent["text"]),
        "ranges": [[to_seconds(current.start), to_seconds(current.end)] for current in ranges],
        "totalSeconds": total,
        "firstSeconds": to_seconds(ranges[0].start) if ranges else None,
        "score": score_of(_confidence(sent.get("confidence")), total),
    }
    if keyword.video_id is not None:
        added["videoId"] = keyword.video_id
    clashing = {name: value for name, value in sent.items() if name in _ADDED}
    if clashing:
        added["videoIndexer"] = clashing
    return {name: value for name, value in sent.items() if name not in clashing} | added, broken


def read(stored: Mapping[str, Any]) -> Keyword:
    """A stored keyword without Video Indexer's other fields."""
    return msgspec.convert(
        {
            **stored,
            "confidence": _confidence(stored.get("confidence")),
            "language": _language(stored.get("language")),
        },
        Keyword,
    )


def score_of(confidence: float | None, total_seconds: float) -> float:
    """How much a keyword says of its video, 0 to 1; grows with confidence and with time.

    `confidence × (1/2 + 1/2 × t / (t + 30 s))`, to four digits. Confidence alone is coarse (Video Indexer
    uses a handful of values), and time alone favours what is said often.
    """
    trusted = UNKNOWN_CONFIDENCE if confidence is None else min(1.0, max(0.0, confidence))
    return round(trusted * (0.5 + 0.5 * total_seconds / (total_seconds + HALF_TIME_SECONDS)), 4)


def _confidence(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _language(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _ranges(instances: object) -> tuple[tuple[Range, ...], int]:
    """The merged ranges of a keyword in the original video, and how many instances can't be read."""
    if instances is None:
        return (), 0
    if not isinstance(instances, list):
        return (), 1
    ranges: list[Range] = []
    for instance in instances:
        try:
            current = Range(parse_timespan(instance["start"]), parse_timespan(instance["end"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        if current.end >= current.start:
            ranges.append(current)
    return merge(ranges), len(instances) - len(ranges)

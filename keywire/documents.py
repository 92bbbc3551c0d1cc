"""From an index to a keyword document: pure, and the same bytes for the same input.

A document keeps Video Indexer's own keyword objects field for field, so that whoever reads Video
Indexer's JSON can read ours, and adds what every consumer computes again: normalized text, merged
time ranges, seconds, a score. Should Video Indexer ever send a field of a name that is ours, its
value moves to `videoIndexer` of that keyword.
"""

import hashlib
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from keywire.text import normalize
from keywire.times import Range, merge, parse_timespan, to_seconds
from keywire.video_indexer.index import VideoIndex

SCHEMA_VERSION: Final = 1
PROCESSED: Final = "Processed"
FAILED_STATES: Final = frozenset({"Failed", "Quarantined"})

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
        normalized: The text by which keywords are compared (`keywire.text.normalize`).
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


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why indexing failed, in Video Indexer's words."""

    code: str | None
    message: str | None


class SourceVideo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One video of a project."""

    video_id: str | None
    duration_seconds: float | None
    language: str | None
    source_languages: tuple[str, ...]


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out: keywords without a text, instances whose times can't be read."""

    keywords: int = 0
    instances: int = 0


class KeywordDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The document of one version of one video.

    Attributes:
        account_id: Video Indexer's account (GUID).
        video_id: The video's id there.
        external_id, metadata: What the uploader gave.
        duration_seconds: The video's length.
        language: The language of the keywords; another than `source_languages` in a translation.
        state: Video Indexer's: `Processed`, `Failed` or `Quarantined`.
        failure: Set when the state is not `Processed`.
        insights_version: Video Indexer's own version of the insights.
        version: 1, 2, …: counts the outcomes of this video.
        content_hash: SHA-256 (hex) over what Video Indexer said.
        previous_hash: The content hash of the version before: together they name the true history.
        keywords_version: The version that the keywords are from: an older one after a failed re-index.
        extracted_at: When this version was made (UTC).
        source_videos: The videos of a project; empty for a plain video.
        unreadable: What was left out.
        keywords: As Video Indexer sent them, each with the fields of `Keyword` added.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
    metadata: str | None
    duration_seconds: float | None
    language: str | None
    source_languages: tuple[str, ...]
    indexing_preset: str | None
    insights_version: str | None
    state: str
    failure: Failure | None
    version: int
    content_hash: str
    previous_hash: str | None
    keywords_version: int | None
    extracted_at: datetime
    source_videos: tuple[SourceVideo, ...]
    unreadable: Unreadable
    keywords: tuple[dict[str, Any], ...]


class SentKeyword(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword object as Video Indexer sent it, and in a project the video that it belongs to."""

    video_id: str | None
    fields: dict[str, Any]


class Content(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What Video Indexer said of a video, without when or how often it was asked: what the hash is over."""

    name: str | None
    external_id: str | None
    metadata: str | None
    duration_seconds: float | None
    language: str | None
    source_languages: tuple[str, ...]
    indexing_preset: str | None
    insights_version: str | None
    state: str
    failure_code: str | None
    source_videos: tuple[SourceVideo, ...]
    unreadable_keywords: int
    keywords: tuple[SentKeyword, ...]


_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
_DECODER: Final = msgspec.json.Decoder(KeywordDocument)
_KEYWORD_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ADDED: Final = frozenset(
    {*Keyword.__struct_encode_fields__, "videoIndexer"} - {"text", "confidence", "language"}
)


def read_content(index: VideoIndex) -> Content:
    """What an index says, as it goes into a document."""
    first = index.videos[0]
    several = len(index.videos) > 1
    sent = [
        _read_keyword(raw, video.id if several else None) for video in index.videos for raw in video.keywords
    ]
    readable = tuple(keyword for keyword in sent if keyword is not None)
    return Content(
        name=index.name,
        external_id=first.external_id,
        metadata=first.metadata,
        duration_seconds=index.duration_seconds
        if several
        else first.duration_seconds or index.duration_seconds,
        language=first.language,
        source_languages=tuple(
            dict.fromkeys(language for video in index.videos for language in video.languages)
        ),
        indexing_preset=first.indexing_preset,
        insights_version=first.insights_version,
        state=index.state,
        failure_code=first.failure_code if index.state in FAILED_STATES else None,
        source_videos=tuple(
            SourceVideo(
                video_id=video.id,
                duration_seconds=video.duration_seconds,
                language=video.language,
                source_languages=video.languages,
            )
            for video in index.videos
        )
        if several
        else (),
        unreadable_keywords=len(sent) - len(readable),
        keywords=readable,
    )


def hash_of(content: Content) -> str:
    """SHA-256 (hex) over the canonical JSON of `content`: object keys sorted, lists in their order."""
    return hashlib.sha256(_CANONICAL.encode(content)).hexdigest()


def build(
    content: Content,
    *,
    account_id: str,
    video_id: str,
    previous: KeywordDocument | None,
    failure_message: str | None,
    extracted_at: datetime,
) -> KeywordDocument:
    """The document that follows `previous`.

    A failed re-index keeps the keywords of the last good version and says so in `keywords_version`.
    """
    version = previous.version + 1 if previous else 1
    failed = content.state in FAILED_STATES
    keeps = previous if failed else None
    enriched = [_enrich(keyword) for keyword in content.keywords]
    return KeywordDocument(
        account_id=account_id,
        video_id=video_id,
        name=content.name,
        external_id=content.external_id,
        metadata=content.metadata,
        duration_seconds=content.duration_seconds,
        language=keeps.language if keeps else content.language,
        source_languages=keeps.source_languages if keeps else content.source_languages,
        indexing_preset=content.indexing_preset,
        insights_version=content.insights_version,
        state=content.state,
        failure=Failure(code=content.failure_code, message=failure_message) if failed else None,
        version=version,
        content_hash=hash_of(content),
        previous_hash=previous.content_hash if previous else None,
        keywords_version=(keeps.keywords_version if keeps else None) if failed else version,
        extracted_at=extracted_at,
        source_videos=content.source_videos,
        unreadable=Unreadable(
            keywords=content.unreadable_keywords, instances=sum(broken for _, broken in enriched)
        ),
        keywords=keeps.keywords if keeps else tuple(keyword for keyword, _ in enriched),
    )


def encode(document: KeywordDocument) -> bytes:
    """The document as it is stored: UTF-8 JSON."""
    return msgspec.json.encode(document)


def decode(body: bytes) -> KeywordDocument:
    """Read a stored document.

    Raises:
        msgspec.DecodeError: It is none, or from a newer version.
    """
    return _DECODER.decode(body)


def keywords_of(document: KeywordDocument) -> tuple[Keyword, ...]:
    """The document's keywords with what was added to them, for code that does not care for the rest."""
    return tuple(
        msgspec.convert(
            stored
            | {
                "confidence": _confidence(stored.get("confidence")),
                "language": _language(stored.get("language")),
            },
            Keyword,
        )
        for stored in document.keywords
    )


def score_of(confidence: float | None, total_seconds: float) -> float:
    """How much a keyword says of its video, 0 to 1; grows with confidence and with time.

    `confidence × (1/2 + 1/2 × t / (t + 30 s))`, to four digits. Confidence alone is coarse (Video Indexer
    uses a handful of values), and time alone favours what is said often.
    """
    trusted = UNKNOWN_CONFIDENCE if confidence is None else min(1.0, max(0.0, confidence))
    return round(trusted * (0.5 + 0.5 * total_seconds / (total_seconds + HALF_TIME_SECONDS)), 4)


def _read_keyword(raw: msgspec.Raw, video_id: str | None) -> SentKeyword | None:
    try:
        fields = _KEYWORD_OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = fields.get("text")
    return SentKeyword(video_id=video_id, fields=fields) if isinstance(text, str) and text.strip() else None


def _enrich(keyword: SentKeyword) -> tuple[dict[str, Any], int]:
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


def _confidence(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


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

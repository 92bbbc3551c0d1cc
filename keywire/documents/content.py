"""What Video Indexer said of a video, without when or how often it was asked: what a version's hash is over.

Pure. Separate from the document, which adds our own fields and a history to it: the same content is the
same version, whatever we come to add.
"""

import hashlib
from typing import Any, Final

import msgspec

from keywire.video_indexer.index import VideoIndex

PROCESSED: Final = "Processed"
FAILED_STATES: Final = frozenset({"Failed", "Quarantined"})


class SourceVideo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One video of a project."""

    video_id: str | None
    duration_seconds: float | None
    language: str | None
    source_languages: tuple[str, ...]


class SentKeyword(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword object as Video Indexer sent it, and in a project the video that it belongs to."""

    video_id: str | None
    fields: dict[str, Any]


class Content(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an index says, as far as documents tell it."""

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


# Of a tombstone: Video Indexer has no such state, it answers that the video was removed.
REMOVED_STATE: Final = "Removed"
REMOVED: Final = Content(
    name=None,
    external_id=None,
    metadata=None,
    duration_seconds=None,
    language=None,
    source_languages=(),
    indexing_preset=None,
    insights_version=None,
    state=REMOVED_STATE,
    failure_code=None,
    source_videos=(),
    unreadable_keywords=0,
    keywords=(),
)

_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
_KEYWORD_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


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


def _read_keyword(raw: msgspec.Raw, video_id: str | None) -> SentKeyword | None:
    try:
        fields = _KEYWORD_OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = fields.get("text")
    return SentKeyword(video_id=video_id, fields=fields) if isinstance(text, str) and text.strip() else None

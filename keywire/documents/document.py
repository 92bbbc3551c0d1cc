"""Keyword documents: what is stored of a version of a video. Pure, and the same bytes for the same input."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from keywire.documents import keyword as keywords
from keywire.documents.content import FAILED_STATES, REMOVED_STATE, Content, SourceVideo, hash_of
from keywire.documents.keyword import Keyword

SCHEMA_VERSION: Final = 1


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why indexing failed, in Video Indexer's words."""

    code: str | None
    message: str | None


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out: keywords without a text, instances whose times can't be read."""

    keywords: int = 0
    instances: int = 0


class KeywordDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The document of one version of one video.

    Attributes:
        account_id: Video Indexer's account (GUID).
        video_id: The video's id there.
        external_id, metadata: What the uploader gave to Video Indexer.
        reference: What the uploader gave to the signal that made this version, or one before it; no part of
            the content, and absent from documents older than the field.
        duration_seconds: The video's length.
        language: The language of the keywords; another than `source_languages` in a translation.
        state: Video Indexer's `Processed`, `Failed` or `Quarantined`; `Removed` for a tombstone.
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
    reference: str | None = None
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


_DECODER: Final = msgspec.json.Decoder(KeywordDocument)


def build(
    content: Content,
    *,
    account_id: str,
    video_id: str,
    previous: KeywordDocument | None,
    failure_message: str | None,
    extracted_at: datetime,
    reference: str | None = None,
    version: int | None = None,
) -> KeywordDocument:
    """The document that follows `previous`.

    A failed indexing has no keywords of its own, whatever came with it (a quarantined video's are not for
    readers): those of the last good version stay, and `keywords_version` says so. A removed video leaves
    nothing but its ids, the uploader's `reference` among them.
    """
    version = version or (previous.version + 1 if previous else 1)
    failed = content.state in FAILED_STATES
    kept = previous if failed else None
    enriched = [] if failed else [keywords.enrich(keyword) for keyword in content.keywords]
    left_out = Unreadable(
        keywords=0 if failed else content.unreadable_keywords, instances=sum(broken for _, broken in enriched)
    )
    return KeywordDocument(
        account_id=account_id,
        video_id=video_id,
        name=content.name,
        external_id=content.external_id,
        reference=reference or (previous.reference if previous else None),
        metadata=content.metadata,
        duration_seconds=content.duration_seconds,
        language=kept.language if kept else content.language,
        source_languages=kept.source_languages if kept else content.source_languages,
        indexing_preset=content.indexing_preset,
        insights_version=content.insights_version,
        state=content.state,
        failure=Failure(code=content.failure_code, message=failure_message) if failed else None,
        version=version,
        content_hash=hash_of(content),
        previous_hash=previous.content_hash if previous else None,
        keywords_version=_keywords_version(content, previous, version),
        extracted_at=extracted_at,
        source_videos=content.source_videos,
        unreadable=kept.unreadable if kept else left_out,
        keywords=kept.keywords if kept else tuple(keyword for keyword, _ in enriched),
    )


def _keywords_version(content: Content, previous: KeywordDocument | None, version: int) -> int | None:
    if content.state in FAILED_STATES:
        return previous.keywords_version if previous else None
    return None if content.state == REMOVED_STATE else version


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
    return tuple(keywords.read(stored) for stored in document.keywords)

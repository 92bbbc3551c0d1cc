"""The `data` of each event type: the contract with consumers, from which the schemas are generated."""

from typing import Any

import msgspec

from keywire.documents.document import Failure


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the version lies, and the SHA-256 (hex) of its bytes."""

    url: str
    sha256: str


class EventKeyword(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A keyword as an event tells it; `ranges` are in the document."""

    text: str
    normalized: str
    language: str | None
    confidence: float | None
    total_seconds: float
    first_seconds: float | None
    score: float
    video_id: str | None = None


class ChangedKeyword(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword before and after."""

    before: EventKeyword
    after: EventKeyword


class _Video(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every event's data says of its video; `reference` is absent from events older than the field."""

    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
    reference: str | None = None
    metadata: str | None
    duration_seconds: float | None
    language: str | None
    version: int
    document: Pointer


class ExtractedData(_Video, frozen=True, kw_only=True, rename="camel"):
    """The first processed version.

    Attributes:
        keyword_count: How many keywords the document has.
        keywords: The best ones first: by score, then by text.
        truncated: Whether keywords, or the end of a text, are only in the document.
    """

    keyword_count: int
    keywords: tuple[EventKeyword, ...]
    truncated: bool


class ChangedData(_Video, frozen=True, kw_only=True, rename="camel"):
    """A later processed version, told against the one before; the lists may be empty."""

    keyword_count: int
    added: tuple[EventKeyword, ...]
    removed: tuple[EventKeyword, ...]
    changed: tuple[ChangedKeyword, ...]
    truncated: bool


class FailedData(_Video, frozen=True, kw_only=True, rename="camel"):
    """Video Indexer could not index the video; its last good keywords stay in the document."""

    state: str
    failure: Failure
    truncated: bool


class RemovedData(_Video, frozen=True, kw_only=True, rename="camel"):
    """The video is gone from Video Indexer: what was known of it before, for those who have to take it back.

    Attributes:
        keyword_count: How many keywords it had.
        keywords: The best ones first.
        truncated: Whether there were more, or longer ones.
    """

    keyword_count: int
    keywords: tuple[EventKeyword, ...]
    truncated: bool


class InterestReference(msgspec.Struct, frozen=True, kw_only=True):
    """An interest as it was when it matched.

    Attributes:
        hash: SHA-256 (hex) of its definition.
        attributes: What its owner handed through: a campaign, a category.
    """

    id: str
    name: str
    hash: str
    attributes: dict[str, Any]


class MatchedTerm(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why and where: a term of the interest, and the keyword that it met.

    Attributes:
        term: As the interest has it.
        text: The keyword.
        ranges: `[start, end]` in seconds of the video, the first ones.
        total_seconds: Of all its ranges.
        video_id: In a project, the video that the times belong to.
    """

    term: str
    text: str
    confidence: float | None
    language: str | None
    ranges: tuple[tuple[float, float], ...]
    total_seconds: float
    video_id: str | None = None


class MatchedData(_Video, frozen=True, kw_only=True, rename="camel"):
    """An interest matches.

    Attributes:
        score: 0 to 1; grows with confidence, with time, and with the terms that were met.
        terms: Why, the best reasons first.
        truncated: Whether there are more reasons, more ranges or longer texts.
    """

    interest: InterestReference
    score: float
    terms: tuple[MatchedTerm, ...]
    truncated: bool


class FormerMatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The match that holds no longer.

    Attributes:
        event_id: Of the event that told it.
        version: Of the document then.
    """

    event_id: str
    version: int
    score: float
    terms: tuple[MatchedTerm, ...]


class WithdrawnData(_Video, frozen=True, kw_only=True, rename="camel"):
    """An interest that matched before no longer does."""

    interest: InterestReference
    former: FormerMatch
    truncated: bool


type Data = ExtractedData | ChangedData | FailedData | RemovedData | MatchedData | WithdrawnData

"""What events say of a version, each type's `data`: pure.

A builder gives how many keywords there are to tell, the most important first, and a function that tells the
first so many of them: an event is cut to its size by its envelope, which alone knows it. The other fields
have limits under which an event fits 48 KiB even where every character is escaped: prose is cut, what
identifies or is parsed is left out whole. What an event can't hold is in the document that it points at.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypedDict

import msgspec

from keywire.documents import Failure, KeywordDocument, keywords_of
from keywire.keywords import Keyword

MAX_PROSE: Final = 512
MAX_EXTERNAL_ID: Final = 512
MAX_METADATA: Final = 2048

# A keyword counts as changed when its confidence moved by at least this much …
CONFIDENCE_MARGIN: Final = 0.05
# … or its first or total time by at least this many seconds: a re-index moves times by fractions.
SECONDS_MARGIN: Final = 1.0


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
    """What every event's data says of its video."""

    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
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


type Data = ExtractedData | ChangedData | FailedData
type Teller = Callable[[int], Data]


def extracted(document: KeywordDocument, pointer: Pointer) -> tuple[int, Teller]:
    """Of a first processed version: how many keywords it has, and what tells them."""
    keywords = sorted(keywords_of(document), key=_importance)
    cut = _is_cut(document, keywords)

    def data(count: int) -> ExtractedData:
        return ExtractedData(
            **_video(document, pointer),
            keyword_count=len(keywords),
            keywords=tuple(_event_keyword(keyword) for keyword in keywords[:count]),
            truncated=cut or count < len(keywords),
        )

    return len(keywords), data


def changed(document: KeywordDocument, previous: KeywordDocument, pointer: Pointer) -> tuple[int, Teller]:
    """Of a later one: how many keywords came, went or changed, and what tells them."""
    before, after = _by_text(previous), _by_text(document)
    changes = [(before.get(key), after.get(key)) for key in before | after]
    news = sorted((change for change in changes if _is_news(*change)), key=_change_importance)
    cut = _is_cut(document, [keyword for change in news for keyword in change if keyword])

    def data(count: int) -> ChangedData:
        told = news[:count]
        return ChangedData(
            **_video(document, pointer),
            keyword_count=len(document.keywords),
            added=tuple(_event_keyword(new) for old, new in told if old is None and new),
            removed=tuple(_event_keyword(old) for old, new in told if new is None and old),
            changed=tuple(
                ChangedKeyword(before=_event_keyword(old), after=_event_keyword(new))
                for old, new in told
                if old and new
            ),
            truncated=cut or count < len(news),
        )

    return len(news), data


def failed(document: KeywordDocument, pointer: Pointer) -> Teller:
    """Of a failed one: no keywords, only why."""
    failure = document.failure or Failure(code=None, message=None)
    message = failure.message and failure.message[:MAX_PROSE]
    code = failure.code and failure.code[:MAX_PROSE]

    def data(_: int) -> FailedData:
        return FailedData(
            **_video(document, pointer),
            state=document.state,
            failure=Failure(code=code, message=message),
            truncated=_is_cut(document, ()) or (code, message) != (failure.code, failure.message),
        )

    return data


class _VideoFields(TypedDict):
    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
    metadata: str | None
    duration_seconds: float | None
    language: str | None
    version: int
    document: Pointer


def _video(document: KeywordDocument, pointer: Pointer) -> _VideoFields:
    return {
        "account_id": document.account_id,
        "video_id": document.video_id,
        "name": document.name and document.name[:MAX_PROSE],
        "external_id": _within(document.external_id, MAX_EXTERNAL_ID),
        "metadata": _within(document.metadata, MAX_METADATA),
        "duration_seconds": document.duration_seconds,
        "language": _within(document.language, MAX_PROSE),
        "version": document.version,
        "document": pointer,
    }


def _within(text: str | None, limit: int) -> str | None:
    return text if text is not None and len(text) <= limit else None


def _is_cut(document: KeywordDocument, keywords: Sequence[Keyword]) -> bool:
    return (
        len(document.name or "") > MAX_PROSE
        or len(document.external_id or "") > MAX_EXTERNAL_ID
        or len(document.metadata or "") > MAX_METADATA
        or any(len(keyword.text) > MAX_PROSE for keyword in keywords)
    )


def _event_keyword(keyword: Keyword) -> EventKeyword:
    return EventKeyword(
        text=keyword.text[:MAX_PROSE],
        normalized=keyword.normalized[:MAX_PROSE],
        language=_within(keyword.language, MAX_PROSE),
        confidence=keyword.confidence,
        total_seconds=keyword.total_seconds,
        first_seconds=keyword.first_seconds,
        score=keyword.score,
        video_id=keyword.video_id,
    )


def _importance(keyword: Keyword) -> tuple[float, str, str, str]:
    return -keyword.score, keyword.normalized, keyword.text, keyword.video_id or ""


def _by_text(document: KeywordDocument) -> dict[tuple[str, str | None], Keyword]:
    """The keywords by what identifies them across versions; of several the most important."""
    ordered = sorted(keywords_of(document), key=_importance, reverse=True)
    return {(keyword.normalized, keyword.video_id): keyword for keyword in ordered}


def _is_news(old: Keyword | None, new: Keyword | None) -> bool:
    if old is None or new is None:
        return True
    return (
        (old.confidence is None) != (new.confidence is None)
        or abs((old.confidence or 0.0) - (new.confidence or 0.0)) >= CONFIDENCE_MARGIN
        or abs(old.total_seconds - new.total_seconds) >= SECONDS_MARGIN
        or (old.first_seconds is None) != (new.first_seconds is None)
        or abs((old.first_seconds or 0.0) - (new.first_seconds or 0.0)) >= SECONDS_MARGIN
    )


def _change_importance(change: tuple[Keyword | None, Keyword | None]) -> tuple[float, str, str, str]:
    return min(_importance(keyword) for keyword in change if keyword)

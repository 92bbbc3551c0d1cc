"""Events about a version's keywords: what is new, what failed, what is gone. Pure.

A builder gives how many keywords there are to tell and what tells the first so many of them.
"""

from collections.abc import Sequence
from typing import Final

from keywire.documents.document import Failure, KeywordDocument, keywords_of
from keywire.documents.keyword import Keyword
from keywire.events.data import (
    ChangedData,
    ChangedKeyword,
    EventKeyword,
    ExtractedData,
    FailedData,
    Pointer,
    RemovedData,
)
from keywire.events.limits import MAX_PROSE, DataBuilder, is_video_cut, video_fields, within

# A keyword counts as changed when its confidence moved by at least this much …
CONFIDENCE_MARGIN: Final = 0.05
# … or its first or total time by at least this many seconds: a re-index moves times by fractions.
SECONDS_MARGIN: Final = 1.0


def extracted(document: KeywordDocument, pointer: Pointer) -> tuple[int, DataBuilder]:
    """Of a first processed version: how many keywords it has, and what tells them."""
    keywords = sorted(keywords_of(document), key=_importance)
    cut = _is_cut(document, keywords)

    def data(count: int) -> ExtractedData:
        return ExtractedData(
            **video_fields(document, pointer),
            keyword_count=len(keywords),
            keywords=tuple(_event_keyword(keyword) for keyword in keywords[:count]),
            truncated=cut or count < len(keywords),
        )

    return len(keywords), data


def changed(
    document: KeywordDocument, previous: KeywordDocument, pointer: Pointer
) -> tuple[int, DataBuilder]:
    """Of a later one: how many keywords came, went or changed, and what tells them."""
    before, after = _by_text(previous), _by_text(document)
    changes = [(before.get(key), after.get(key)) for key in before | after]
    news = sorted((change for change in changes if _is_news(*change)), key=_change_importance)
    cut = _is_cut(document, [keyword for change in news for keyword in change if keyword])

    def data(count: int) -> ChangedData:
        told = news[:count]
        return ChangedData(
            **video_fields(document, pointer),
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


def removed(
    document: KeywordDocument, previous: KeywordDocument | None, pointer: Pointer
) -> tuple[int, DataBuilder]:
    """Of a tombstone: how many keywords the video had, and what tells them."""
    keywords = sorted(keywords_of(previous), key=_importance) if previous else []
    cut = _is_cut(document, keywords)

    def data(count: int) -> RemovedData:
        return RemovedData(
            **video_fields(document, pointer),
            keyword_count=len(keywords),
            keywords=tuple(_event_keyword(keyword) for keyword in keywords[:count]),
            truncated=cut or count < len(keywords),
        )

    return len(keywords), data


def failed(document: KeywordDocument, pointer: Pointer) -> DataBuilder:
    """Of a failed one: no keywords, only why."""
    failure = document.failure or Failure(code=None, message=None)
    message = failure.message and failure.message[:MAX_PROSE]
    code = failure.code and failure.code[:MAX_PROSE]

    def data(_: int) -> FailedData:
        return FailedData(
            **video_fields(document, pointer),
            state=document.state,
            failure=Failure(code=code, message=message),
            truncated=_is_cut(document, ()) or (code, message) != (failure.code, failure.message),
        )

    return data


def _is_cut(document: KeywordDocument, keywords: Sequence[Keyword]) -> bool:
    return is_video_cut(document) or any(len(keyword.text) > MAX_PROSE for keyword in keywords)


def _event_keyword(keyword: Keyword) -> EventKeyword:
    return EventKeyword(
        text=keyword.text[:MAX_PROSE],
        normalized=keyword.normalized[:MAX_PROSE],
        language=within(keyword.language, MAX_PROSE),
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

"""What a listed video and its document ask for. Pure: what decides, apart from what lists and queues.

A job too many is harmless, it costs a look at the document: so a video whose job is still on the queue may be
found again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from keywire.signals.callback import FINAL_STATES
from keywire.video_indexer.listing import ListedVideo


class Reason(StrEnum):
    """Why a video is queued."""

    MISSING = "missing"
    UNPUBLISHED = "unpublished"
    OUTDATED = "outdated"
    UNLISTED = "unlisted"


class DocumentStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a document's metadata tells of it; small, because a sweep holds one of each document.

    Attributes:
        published: Whether every destination has the events of its version.
        as_of: The newest moment on Video Indexer's clock that it answers for, in Unix microseconds.
        written: When the blob was changed the last time, in Unix seconds on storage's clock.
        state: The document's state; empty in metadata of version 0.1.
        stamp: The stamp of the interests that it was matched with; None if that is not known.
        matched_at: When, in Unix seconds on storage's clock.
    """

    published: bool
    as_of: int
    written: float
    state: str = ""
    stamp: str | None = None
    matched_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A video to queue, why, and the moment on Video Indexer's clock that asks for it, if one does."""

    video_id: str
    reason: Reason
    as_of: datetime | None


def compare(videos: Iterable[ListedVideo], marks: Mapping[str, DocumentStatus]) -> list[Finding]:
    """The videos whose indexing has ended and whose documents don't tell of it."""
    return [
        Finding(video_id=video.id, reason=reason, as_of=video.last_indexed)
        for video in videos
        if video.state.lower() in FINAL_STATES and (reason := _reason(video, marks.get(video.id)))
    ]


def _reason(video: ListedVideo, mark: DocumentStatus | None) -> Reason | None:
    if mark is None:
        return Reason.MISSING
    if not mark.published:
        return Reason.UNPUBLISHED
    if video.last_indexed is not None and mark.as_of < microseconds(video.last_indexed):
        return Reason.OUTDATED
    return None


def microseconds(moment: datetime) -> int:
    """Unix microseconds, exact: a float of seconds rounds."""
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond

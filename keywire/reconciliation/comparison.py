"""Comparison of listed videos with the status of their documents: which videos need a job, and why. Pure.

A video whose job is still on the queue is found again. That is harmless: the second job reads the document and ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from keywire.signals.callback import FINAL_STATES
from keywire.video_indexer.listing import ListedVideo


class Reason(StrEnum):
    """Why a video needs a job."""

    MISSING = "missing"
    UNPUBLISHED = "unpublished"
    OUTDATED = "outdated"
    UNLISTED = "unlisted"


class DocumentStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a document's metadata says. Small, because a full sweep holds one for each document.

    Attributes:
        published: Whether everything that consumers are told about the document was sent.
        as_of: The newest moment on Video Indexer's clock that the document answers for, in Unix microseconds.
        written: When the blob changed last, in Unix seconds on storage's clock.
        state: The document's state; empty in metadata of version 0.1.
        stamp: The stamp of the interests that the document was matched with; None if it is not known.
        matched_at: When it was matched, in Unix seconds on storage's clock.
    """

    published: bool
    as_of: int
    written: float
    state: str = ""
    stamp: str | None = None
    matched_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A video that needs a job.

    Attributes:
        video_id: The video.
        reason: Why it needs a job.
        as_of: The moment on Video Indexer's clock that the document should answer for; None if it is not known.
    """

    video_id: str
    reason: Reason
    as_of: datetime | None


def compare(videos: Iterable[ListedVideo], statuses: Mapping[str, DocumentStatus]) -> list[Finding]:
    """Return a finding for each indexed video whose document is missing, unpublished or older than its indexing."""
    return [
        Finding(video_id=video.id, reason=reason, as_of=video.last_indexed)
        for video in videos
        if video.state.lower() in FINAL_STATES and (reason := _reason(video, statuses.get(video.id)))
    ]


def _reason(video: ListedVideo, status: DocumentStatus | None) -> Reason | None:
    if status is None:
        return Reason.MISSING
    if not status.published:
        return Reason.UNPUBLISHED
    if video.last_indexed is not None and status.as_of < microseconds(video.last_indexed):
        return Reason.OUTDATED
    return None


def microseconds(moment: datetime) -> int:
    """Return Unix microseconds; exact, unlike a float of seconds."""
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond

"""What every event says of its video, within the limits that keep an event below its size.

Under these an event fits 48 KiB even where every character is escaped: prose is cut, what identifies or is
parsed is left out whole. What an event can't hold is in the document that it points at.
"""

from collections.abc import Callable
from typing import Final, TypedDict

from keywire.documents.document import KeywordDocument
from keywire.events.data import Data, Pointer
from keywire.ids import MAX_REFERENCE

MAX_PROSE: Final = 512
MAX_EXTERNAL_ID: Final = 512
MAX_METADATA: Final = 2048

# Tells the first so many of the things that an event is about, the most important first: an event is cut to
# its size by its envelope, which alone knows it.
type DataBuilder = Callable[[int], Data]


class VideoFields(TypedDict):
    """The fields that all events share."""

    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
    reference: str | None
    metadata: str | None
    duration_seconds: float | None
    language: str | None
    version: int
    document: Pointer


def video_fields(document: KeywordDocument, pointer: Pointer) -> VideoFields:
    """What the events of a version say of its video."""
    return {
        "account_id": document.account_id,
        "video_id": document.video_id,
        "name": document.name and document.name[:MAX_PROSE],
        "external_id": within(document.external_id, MAX_EXTERNAL_ID),
        "reference": within(document.reference, MAX_REFERENCE),
        "metadata": within(document.metadata, MAX_METADATA),
        "duration_seconds": document.duration_seconds,
        "language": within(document.language, MAX_PROSE),
        "version": document.version,
        "document": pointer,
    }


def within(text: str | None, limit: int) -> str | None:
    """The text, or nothing where it is too long."""
    return text if text is not None and len(text) <= limit else None


def is_video_cut(document: KeywordDocument) -> bool:
    """Whether a field of the video is only in the document."""
    return (
        len(document.name or "") > MAX_PROSE
        or len(document.external_id or "") > MAX_EXTERNAL_ID
        or len(document.reference or "") > MAX_REFERENCE
        or len(document.metadata or "") > MAX_METADATA
    )

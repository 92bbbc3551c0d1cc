"""An edition as it is sent: its events, and the file in history that holds them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EventBatch:
    """The events of one edition.

    Attributes:
        video_id: The video.
        version: The document's version.
        edition: The edition's number.
        list: The file in the video's history with the events.
        events: The events, as they are stored.
        traceparent: W3C trace context of the job or request that made the edition; None if it was resumed.
    """

    video_id: str
    version: int
    edition: int
    list: str
    events: tuple[bytes, ...]
    traceparent: str | None

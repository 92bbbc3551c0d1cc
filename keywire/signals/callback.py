"""Video Indexer's callback as data: its query string becomes a job. Pure.

The callback is an unsigned POST; everything is in its query, and a body is not documented. Parameters that the uploader
put into the callback URL come back, and Video Indexer appends its own, so the last one of a repeated parameter counts.
A second kind of callback (a person was identified) goes to the same URL and has no state. Its `personName` is neither
read nor logged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywire.ids import is_video_id
from keywire.jobs.job import ExtractionJob

# States that end an indexing. Video Indexer sends others too, and may add more.
FINAL_STATES: Final = frozenset({"processed", "failed", "quarantined"})
_PERSON: Final = frozenset({"faceid", "knownpersonid", "personname"})


class InvalidCallbackError(ValueError):
    """The query has no valid video id. The message does not quote the query, so the caller may see it."""


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """A callback that needs no job.

    Attributes:
        video_id: The video.
        reason: Why no job is needed.
    """

    video_id: str
    reason: str


def read_callback(
    query: Mapping[str, str], *, job_id: str, received_at: datetime, traceparent: str | None
) -> ExtractionJob | Ignored:
    """Return the job for a callback, or why it needs none.

    Args:
        query: The query parameters; names in any case. The Functions host joins the values of a repeated parameter
            with commas.
        job_id: The id of the job, if there is one.
        received_at: Now (UTC).
        traceparent: W3C trace context of the request.

    Raises:
        InvalidCallbackError: `id` is missing or malformed.
    """
    last = {name.lower(): value.rsplit(",", 1)[-1] for name, value in query.items()}
    video_id = last.get("id")
    if not video_id:
        raise InvalidCallbackError("the query parameter id is missing")
    if not is_video_id(video_id):
        raise InvalidCallbackError("the query parameter id is not a video id")
    state = last.get("state")
    if not state:
        kind = "a person was identified" if _PERSON & last.keys() else "there is no state"
        return Ignored(video_id=video_id, reason=kind)
    if state.lower() not in FINAL_STATES:
        return Ignored(video_id=video_id, reason="the state is not final")
    return ExtractionJob(
        video_id=video_id, job_id=job_id, signal="callback", received_at=received_at, traceparent=traceparent
    )

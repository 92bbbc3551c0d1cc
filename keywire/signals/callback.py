"""Video Indexer's callback, as data: what its query string says, and the job that follows.

The callback is a POST with everything in the query, unsigned, its body undocumented. Parameters that the
uploader put into the callback URL come back, and Video Indexer appends its own: of a repeated one the
last counts. A second kind of callback (a person was identified) hits the same URL, without a state; its
`personName` is neither read nor logged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywire.ids import is_video_id
from keywire.jobs.job import ExtractionJob

# What is worth asking Video Indexer about; it may send others, and more of them in future.
FINAL_STATES: Final = frozenset({"processed", "failed", "quarantined"})
_PERSON: Final = frozenset({"faceid", "knownpersonid", "personname"})


class InvalidCallbackError(ValueError):
    """The query holds no usable video id; the message can be shown to the caller."""


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """A callback that asks for nothing: of which video, and why."""

    video_id: str
    reason: str


def read_callback(
    query: Mapping[str, str], *, job_id: str, received_at: datetime, traceparent: str | None
) -> ExtractionJob | Ignored:
    """What to do about a callback.

    Args:
        query: The query parameters, names of any case; the Functions host joins the values of a
            repeated one with commas.
        job_id: The name of the job, should there be one.
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

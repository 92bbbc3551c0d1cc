"""Extraction jobs: what a signal puts on the queue `extraction`.

A job says which video to look at and why; it never says what is true of the video. That is asked of
Video Indexer when the job is done.
"""

import re
import uuid
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

QUEUE: Final = "extraction"
BACKFILL_QUEUE: Final = "backfill"
VIDEO_ID_PATTERN: Final = r"\A[A-Za-z0-9_-]{1,64}\Z"
MAX_REFERENCE: Final = 256
_VIDEO_ID: Final = re.compile(VIDEO_ID_PATTERN)

VideoId = Annotated[str, msgspec.Meta(pattern=VIDEO_ID_PATTERN)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REFERENCE)]
# What told of a video; jobs of `backfill` wait until no other has anything to do.
Signal = Literal["callback", "diagnostics", "reconciliation", "backfill", "replay"]


class InvalidJobError(ValueError):
    """A queue message is no job that this version understands; the message says why."""


class ExtractionJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One look at one video.

    Attributes:
        video_id: Video Indexer's id of the video.
        job_id: Names this job in logs.
        signal: What told of the video.
        received_at: When the signal came (UTC): the job's age counts from here.
        attempts: How often it was put off because Video Indexer was not able to answer.
        last_error: Why it was put off the last time.
        as_of: The moment on Video Indexer's clock of which the signal speaks, where it says one.
        reference: What the uploader calls the video, where the signal came with it.
        traceparent: W3C trace context of the signal.
        job_version: The shape of this message.
    """

    video_id: VideoId
    job_id: str
    signal: Signal
    received_at: Moment
    attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    last_error: str | None = None
    as_of: Moment | None = None
    reference: Reference | None = None
    traceparent: str | None = None
    job_version: Literal[1] = 1


def is_video_id(text: str) -> bool:
    """Whether `text` has the form of a video id, safe in a URL, a blob path and a lease name."""
    return _VIDEO_ID.match(text) is not None


def new_job_id() -> str:
    """A new name for a job."""
    return uuid.uuid4().hex


def encode(job: ExtractionJob) -> str:
    """The job as the text of a queue message."""
    return msgspec.json.encode(job).decode()


_DECODER: Final = msgspec.json.Decoder(ExtractionJob)


def decode(body: bytes) -> ExtractionJob:
    """Read a queue message.

    Raises:
        InvalidJobError: It is not JSON, has the wrong shape, or comes from a newer version.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJobError(f"not an extraction job: {error}") from None

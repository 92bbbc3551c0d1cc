"""Extraction jobs: what a signal puts on the queue `extraction`.

A job says which video to look at and why; it never says what is true of the video. That is asked of
Video Indexer when the job is done.

While a new version is rolled out, and after one is taken back, a job may meet an instance that is older than
whoever queued it. So two rules hold for what comes later:

- A new field that an older instance can do without keeps the version. Such an instance does the job without
  it, and passes the field on where the job is put off, given up or replayed.
- Anything else, a new value of `signal` too, gets a new version. An older instance doesn't do such a job but
  leaves it to a newer one; `jobVersion`, `videoId` and `receivedAt` are in every version.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe, message_version
from keywire.ids import JobId, Reference, VideoId

# A job is a few hundred bytes. With its reason it has to fit a poison message, whatever is in it.
MAX_BYTES: Final = 16 * 1024
JOB_VERSION: Final = 1

# What told of a video; jobs of `backfill` wait until no other has anything to do.
Signal = Literal["callback", "diagnostics", "reconciliation", "backfill", "replay"]


class InvalidJobError(ValueError):
    """A queue message is no job that this version understands; the message says why, and nothing of it."""


class NewerJobError(InvalidJobError):
    """A queue message is a job of a newer version.

    Attributes:
        received_at: When its signal came (UTC), where that can be read.
    """

    def __init__(self, message: str, received_at: datetime | None) -> None:
        super().__init__(message)
        self.received_at = received_at


class _Fields(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is written of a job; see `ExtractionJob`."""

    video_id: VideoId
    job_id: JobId
    signal: Signal
    received_at: Moment
    attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    last_error: str | None = None
    as_of: Moment | None = None
    reference: Reference | None = None
    traceparent: str | None = None
    job_version: Literal[1] = JOB_VERSION


class ExtractionJob(_Fields, frozen=True, kw_only=True, rename="camel"):
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
        further: The fields that this version does not know, as a JSON object; empty without any. They are
            written again beside the others.
    """

    further: bytes = b""


def encode(job: ExtractionJob) -> str:
    """The job as the text of a queue message."""
    own = msgspec.json.encode(_Fields(**{name: getattr(job, name) for name in _FIELDS}))
    return (own[:-1] + b"," + job.further[1:] if job.further else own).decode()


_FIELDS: Final = _Fields.__struct_fields__
_NAMES: Final = frozenset(_Fields.__struct_encode_fields__)
_DECODER: Final = msgspec.json.Decoder(_Fields)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Age(msgspec.Struct, rename="camel"):
    received_at: Moment


_AGE: Final = msgspec.json.Decoder(_Age)


def decode(body: bytes) -> ExtractionJob:
    """Read a queue message.

    Raises:
        NewerJobError: It is a job of a newer version.
        InvalidJobError: It is not JSON, has the wrong shape, or is longer than any job.
    """
    try:
        text = body.decode()
        if message_version(text) > JOB_VERSION:
            raise NewerJobError("an extraction job of a version that is newer than this app", _age(text))
        if len(body) > MAX_BYTES:
            raise InvalidJobError(f"not an extraction job: {len(body)} bytes, more than {MAX_BYTES}")
        fields = _DECODER.decode(text)
        further = {name: raw for name, raw in _OBJECT.decode(text).items() if name not in _NAMES}
        received_at = _in_utc(fields.received_at)
        as_of = fields.as_of and _in_utc(fields.as_of)
    except OverflowError:
        raise InvalidJobError("not an extraction job: a time is out of range") from None
    except DECODE_ERRORS as error:
        raise InvalidJobError(f"not an extraction job: {describe(error)}") from None
    job = ExtractionJob(
        **{name: getattr(fields, name) for name in _FIELDS},
        further=msgspec.json.encode(further) if further else b"",
    )
    return msgspec.structs.replace(job, received_at=received_at, as_of=as_of)


def _age(text: str) -> datetime | None:
    try:
        return _in_utc(_AGE.decode(text).received_at)
    except (*DECODE_ERRORS, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)

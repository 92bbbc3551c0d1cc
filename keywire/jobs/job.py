"""Extraction jobs: what a signal puts on the queue `extraction`.

A job says which video to look at and why. It never says what is true of the video: extraction asks Video Indexer.

`jobVersion`, `videoId` and `receivedAt` are in every version (see `keywire.jobs.message` for the rules). An instance
that does not know a field of its own version keeps it when it defers, replays or dead-letters the job.
"""

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe, message_version
from keywire.ids import JobId, Reference, VideoId
from keywire.jobs.message import Deferrable, InvalidMessageError, NewerMessageError, begun_at

# A job is a few hundred bytes. Together with a reason it has to fit a poison message.
MAX_BYTES: Final = 16 * 1024
JOB_VERSION: Final = 1

# What said that a video may be ready.
Signal = Literal["callback", "diagnostics", "reconciliation", "backfill", "replay"]


class _Fields(Deferrable, frozen=True, kw_only=True, rename="camel"):
    """The fields of a job's message; see `ExtractionJob`."""

    video_id: VideoId
    job_id: JobId
    signal: Signal
    received_at: Moment
    as_of: Moment | None = None
    reference: Reference | None = None
    destination: str | None = None
    traceparent: str | None = None
    job_version: Literal[1] = JOB_VERSION


class ExtractionJob(_Fields, frozen=True, kw_only=True, rename="camel"):
    """One look at one video.

    Attributes:
        video_id: Video Indexer's id of the video.
        job_id: Names this job in log lines.
        signal: What said that the video may be ready.
        received_at: When the signal arrived (UTC).
        as_of: The moment on Video Indexer's clock that the signal is about, if it says one.
        reference: What the uploader calls the video, if the signal carries it.
        destination: A replay sends events to this destination only; None for all.
        traceparent: W3C trace context of the signal.
        job_version: The version of this message.
        further: The fields that this version does not know, as a JSON object; empty without any. They are
            written again beside the others.
    """

    further: bytes = b""


def encode(job: ExtractionJob) -> str:
    """Return a job as the text of a queue message."""
    own = msgspec.json.encode(_Fields(**{name: getattr(job, name) for name in _FIELDS}))
    return (own[:-1] + b"," + job.further[1:] if job.further else own).decode()


_FIELDS: Final = _Fields.__struct_fields__
_NAMES: Final = frozenset(_Fields.__struct_encode_fields__)
_DECODER: Final = msgspec.json.Decoder(_Fields)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(body: bytes) -> ExtractionJob:
    """Read a job from a queue message.

    Raises:
        NewerMessageError: It is a job of a newer version.
        InvalidMessageError: It is not JSON, has the wrong shape, or is longer than any job.
    """
    try:
        text = body.decode()
        if message_version(text) > JOB_VERSION:
            raise NewerMessageError(
                "an extraction job of a version that is newer than this app", begun_at(text)
            )
        if len(body) > MAX_BYTES:
            raise InvalidMessageError(f"not an extraction job: {len(body)} bytes, more than {MAX_BYTES}")
        fields = _DECODER.decode(text)
        further = {name: raw for name, raw in _OBJECT.decode(text).items() if name not in _NAMES}
        received_at = _in_utc(fields.received_at)
        as_of = fields.as_of and _in_utc(fields.as_of)
    except OverflowError:
        raise InvalidMessageError("not an extraction job: a time is out of range") from None
    except DECODE_ERRORS as error:
        raise InvalidMessageError(f"not an extraction job: {describe(error)}") from None
    job = ExtractionJob(
        **{name: getattr(fields, name) for name in _FIELDS},
        further=msgspec.json.encode(further) if further else b"",
    )
    return msgspec.structs.replace(job, received_at=received_at, as_of=as_of)


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)

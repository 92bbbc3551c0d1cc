"""Video Indexer's diagnostic log as data: records of finished indexings become jobs. Pure.

Azure Monitor sends the account's diagnostic records to an Event Hub. A message has several records of all categories,
in no order, and some arrive twice. A record of a finished indexing is a signal. It also covers what has no callback,
for example uploads and re-indexings in the portal. Whether the indexing succeeded is not read from the record;
extraction asks Video Indexer. Every other record is ignored.

Field names are read in any case, and a record or its properties may be JSON inside a JSON string. Records contain
persons' names. Only the fields named here are decoded, and no reason quotes a record.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from keywire.decoding import DECODE_ERRORS
from keywire.ids import is_video_id
from keywire.jobs.job import ExtractionJob

# How far a record's time may be in the future. A later one is not used as `as_of`: a document that answers for a moment
# in the far future would ignore every signal until then.
CLOCK_DIFFERENCE: Final = timedelta(days=1)

_CATEGORY: Final = "indexinglogs"
_FINISHED: Final = frozenset({"indexingfinished", "reindexingfinished"})
_BOM: Final = b"\xef\xbb\xbf"
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, kw_only=True)
class FailedRecord:
    """A record that could not be read or whose job could not be queued.

    Attributes:
        reason: Why. It quotes nothing of the record, so it can be logged.
        body: The bytes of the record, or of the message if that has no records.
    """

    reason: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A record of a finished indexing.

    Attributes:
        job: The job for it.
        body: The bytes of the record.
    """

    job: ExtractionJob
    body: bytes


@dataclass(frozen=True)
class Ignored:
    """A record that needs no job.

    Attributes:
        reason: Why.
    """

    reason: str


class _InvalidRecordError(ValueError):
    """A record without a required field; the error names the field."""


def read_message(
    body: bytes,
    *,
    account_id: str,
    received_at: datetime,
    traceparent: str | None,
    new_job_id: Callable[[], str],
) -> list[Signal | Ignored | FailedRecord]:
    """Return what each record of a message is, read by itself.

    Args:
        body: `{"records": [...]}`, a list of records, or a single record: a replay reads unreadable records again.
        account_id: The Video Indexer account; records of other accounts are ignored.
        received_at: Now (UTC).
        traceparent: W3C trace context of the invocation.
        new_job_id: Returns a new id for each job.
    """
    try:
        records = _records(body.removeprefix(_BOM))
    except DECODE_ERRORS:
        return [FailedRecord(reason="the message is not JSON records", body=body)]

    def read(record: bytes) -> Signal | Ignored | FailedRecord:
        try:
            found = _read(record, account_id.lower())
        except _InvalidRecordError as error:
            return FailedRecord(reason=str(error), body=record)
        except DECODE_ERRORS:
            return FailedRecord(reason="the record is not a readable object", body=record)
        if isinstance(found, Ignored):
            return found
        video_id, time = found
        job = ExtractionJob(
            video_id=video_id,
            job_id=new_job_id(),
            signal="diagnostics",
            received_at=received_at,
            as_of=time if time - received_at <= CLOCK_DIFFERENCE else None,
            traceparent=traceparent,
        )
        return Signal(job=job, body=record)

    return [read(record) for record in records]


def _read(record: bytes, account_id: str) -> Ignored | tuple[str, datetime]:
    """Return the video of a record, and the record's time."""
    fields = _fields(record)
    if _text(fields, "category").lower() != _CATEGORY:
        return Ignored("another category")
    if _text(fields, "operationName").lower() not in _FINISHED:
        return Ignored("another operation")
    if "properties" not in fields:
        raise _InvalidRecordError("properties is missing")
    properties = _fields(fields["properties"])
    if _text(properties, "accountId").lower() != account_id:
        return Ignored("another account")
    video_id = _text(properties, "videoId")
    if not is_video_id(video_id):
        raise _InvalidRecordError("videoId is not a video id")
    return video_id, _moment(_text(fields, "time"))


def _records(body: bytes) -> Iterable[bytes]:
    body = _decode_nested(body)
    if body.startswith(b"["):
        return map(bytes, _LIST.decode(body))
    records = _fields(body).get("records", body)
    decoded = _decode_nested(records)
    return map(bytes, _LIST.decode(decoded)) if decoded.startswith(b"[") else [records]


def _fields(raw: bytes) -> dict[str, bytes]:
    """Return an object's values as JSON, by their names in lower case."""
    return {name.lower(): bytes(value) for name, value in _OBJECT.decode(_decode_nested(raw)).items()}


def _decode_nested(raw: bytes) -> bytes:
    """Return the JSON inside a JSON string; anything else stays as it is."""
    raw = raw.strip()
    return _TEXT.decode(raw).strip().encode() if raw.startswith(b'"') else raw


def _text(fields: Mapping[str, bytes], name: str) -> str:
    value = fields.get(name.lower(), b"null")
    if value == b"null":
        raise _InvalidRecordError(f"{name} is missing")
    try:
        return _TEXT.decode(value)
    except DECODE_ERRORS:
        raise _InvalidRecordError(f"{name} is not a string") from None


def _moment(text: str) -> datetime:
    """Return a time of Azure Monitor: UTC, with up to seven fraction digits."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _InvalidRecordError("time is not a time") from None

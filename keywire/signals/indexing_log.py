"""Video Indexer's own log, as data: what an Event Hub message says, and the jobs that follow.

Azure Monitor sends the account's diagnostic records to an Event Hub, several in a message, all categories
mixed, in no order and some of them twice. A record of an indexing that finished is a signal, and covers
what no callback does, the portal's uploads and re-indexings for instance. Whether it succeeded is not read
from it but asked of Video Indexer when the job is done. Every other record is passed over.

Names are read in any case, and what was encoded once more on its way (a record, its properties) is decoded
once more. A record also holds people's names: of its fields only those named here are ever decoded, the
rest stays bytes, and no reason repeats any of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from keywire.decoding import DECODE_ERRORS
from keywire.ids import is_video_id
from keywire.jobs.job import ExtractionJob

# How far a record's clock may be before ours. A document that answered for a moment further off would
# pass over every record until then.
CLOCK_DIFFERENCE: Final = timedelta(days=1)

_CATEGORY: Final = "indexinglogs"
_FINISHED: Final = frozenset({"indexingfinished", "reindexingfinished"})
_BOM: Final = b"\xef\xbb\xbf"
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something that came to nothing.

    Attributes:
        reason: Why; it repeats nothing of the message, and can be logged.
        message: The record or, where that holds none, the message.
    """

    reason: str
    message: bytes


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A record of an indexing that finished: the job that follows, and its own bytes."""

    job: ExtractionJob
    record: bytes


@dataclass(frozen=True)
class Ignored:
    """A record that asks for nothing, and why."""

    reason: str


class _InvalidRecordError(ValueError):
    """The message says why."""


def read_message(
    body: bytes,
    *,
    account_id: str,
    received_at: datetime,
    traceparent: str | None,
    new_job_id: Callable[[], str],
) -> list[Signal | Ignored | Refusal]:
    """What to do about the records of a message, each for itself.

    Args:
        body: `{"records": [...]}`; a list of records or a single one will do, so that a refused one can be
            read again.
        account_id: The Video Indexer account that is listened to.
        received_at: Now (UTC).
        traceparent: W3C trace context of the invocation.
        new_job_id: Names the jobs.
    """
    try:
        records = _records(body.removeprefix(_BOM))
    except DECODE_ERRORS:
        return [Refusal(reason="the message is not JSON records", message=body)]

    def read(record: bytes) -> Signal | Ignored | Refusal:
        try:
            found = _read(record, account_id.lower())
        except _InvalidRecordError as error:
            return Refusal(reason=str(error), message=record)
        except DECODE_ERRORS:
            return Refusal(reason="the record is no readable object", message=record)
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
        return Signal(job=job, record=record)

    return [read(record) for record in records]


def _read(record: bytes, account_id: str) -> Ignored | tuple[str, datetime]:
    """The video that a record tells of, and when it did."""
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
    body = _unwrapped(body)
    if body.startswith(b"["):
        return map(bytes, _LIST.decode(body))
    records = _fields(body).get("records", body)
    unwrapped = _unwrapped(records)
    return map(bytes, _LIST.decode(unwrapped)) if unwrapped.startswith(b"[") else [records]


def _fields(raw: bytes) -> dict[str, bytes]:
    """An object's values, still JSON, by their names in lower case."""
    return {name.lower(): bytes(value) for name, value in _OBJECT.decode(_unwrapped(raw)).items()}


def _unwrapped(raw: bytes) -> bytes:
    raw = raw.strip()
    return _TEXT.decode(raw).strip().encode() if raw.startswith(b'"') else raw


def _text(fields: Mapping[str, bytes], name: str) -> str:
    value = fields.get(name.lower(), b"null")
    if value == b"null":
        raise _InvalidRecordError(f"{name} is missing")
    try:
        return _TEXT.decode(value)
    except DECODE_ERRORS:
        raise _InvalidRecordError(f"{name} is not a text") from None


def _moment(text: str) -> datetime:
    """A time as Azure Monitor writes it: UTC, with seven digits of a second."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _InvalidRecordError("time is not a time") from None

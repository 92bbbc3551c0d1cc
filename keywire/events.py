"""CloudEvents 1.0 about versions of keyword documents: pure, with ids that repeat when the information does.

An event is built once, when its version is made, and its exact bytes are stored beside the version:
retry, resume and replay send those.
"""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from keywire import event_data
from keywire.content import FAILED_STATES
from keywire.documents import KeywordDocument
from keywire.event_data import Data, Pointer

EXTRACTED: Final = "keywire.keywords.extracted.v1"
CHANGED: Final = "keywire.keywords.changed.v1"
FAILED: Final = "keywire.indexing.failed.v1"

# The queue takes 64 KiB, which base64 makes of 48. Consumers and Event Grid's price prefer 16, so
# keywords are left out down to that.
TARGET_BYTES: Final = 16 * 1024
MAX_BYTES: Final = 48 * 1024

_NAMESPACE: Final = uuid.UUID("3f0c2f9e-5f0b-5e0d-9a53-0a6f6f0f8d10")


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope, structured JSON; names as CloudEvents 1.0 and its extensions have them.

    Attributes:
        sequence: The document's version, nine digits: drop what is older than what you have.
        partitionkey: The video's id.
        traceparent: Of the job that made the version.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    dataschema: str
    sequence: str
    partitionkey: str
    traceparent: str | None = None
    data: Data


def schema_of(event_type: str) -> str:
    """The name of the JSON Schema of an event type's data."""
    return f"urn:keywire:schema:{event_type}"


def events_of(
    document: KeywordDocument,
    *,
    previous: KeywordDocument | None,
    source: str,
    body: bytes,
    url: str,
    traceparent: str | None,
) -> tuple[bytes, ...]:
    """The events of a version, each as the bytes that go out.

    Args:
        document: The version.
        previous: The version before.
        source: The Video Indexer account's ARM resource id.
        body: The version as it is stored.
        url: Where it is stored.
        traceparent: W3C trace context of the job that made it.
    """
    pointer = Pointer(url=url, sha256=hashlib.sha256(body).hexdigest())
    if document.state in FAILED_STATES:
        event_type, count, data = FAILED, 0, event_data.failed(document, pointer)
    elif previous is None or previous.keywords_version is None:
        event_type, (count, data) = EXTRACTED, event_data.extracted(document, pointer)
    else:
        event_type, (count, data) = CHANGED, event_data.changed(document, previous, pointer)

    def encode(keywords: int) -> bytes:
        event = CloudEvent(
            specversion="1.0",
            id=event_id(document, event_type),
            source=source,
            type=event_type,
            subject=f"videos/{document.video_id}",
            time=document.extracted_at.isoformat().replace("+00:00", "Z"),
            datacontenttype="application/json",
            dataschema=schema_of(event_type),
            sequence=f"{document.version:09d}",
            partitionkey=document.video_id,
            traceparent=traceparent,
            data=data(keywords),
        )
        return msgspec.json.encode(event)

    return (_fit(encode, count),)


def event_id(document: KeywordDocument, event_type: str) -> str:
    """UUIDv5 of account, video, version and type: the same information never gets a second id."""
    parts = (document.account_id, document.video_id, str(document.version), event_type)
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def join(events: Sequence[bytes]) -> bytes:
    """A version's events as they are stored: a line each."""
    return b"".join(event + b"\n" for event in events)


def split(body: bytes) -> tuple[bytes, ...]:
    """The events of a stored list."""
    return tuple(line for line in body.split(b"\n") if line)


def _fit(encode: Callable[[int], bytes], count: int) -> bytes:
    """The event with as many of its `count` keywords as the target size allows."""
    whole = encode(count)
    if len(whole) <= TARGET_BYTES:
        return whole
    low, high = 0, count  # `low` fits or is nothing, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(encode(middle)) <= TARGET_BYTES else (low, middle)
    return encode(low)

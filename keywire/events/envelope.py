"""CloudEvents 1.0 about versions of keyword documents. Pure.

An event is built once, when its edition is made. Its exact bytes are stored in history, and retry, resume and replay
send those. Its id repeats exactly if the information does.
"""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from keywire.documents.content import FAILED_STATES, REMOVED_STATE
from keywire.documents.document import KeywordDocument
from keywire.events import interests as about_interests
from keywire.events import keywords as keyword_events
from keywire.events.data import Data, Pointer
from keywire.events.interests import MATCHED, WITHDRAWN, ActiveMatch
from keywire.events.limits import DataBuilder
from keywire.interests.matching.matcher import Match

EXTRACTED: Final = "keywire.keywords.extracted.v1"
CHANGED: Final = "keywire.keywords.changed.v1"
FAILED: Final = "keywire.indexing.failed.v1"
REMOVED: Final = "keywire.keywords.removed.v1"
TYPES: Final = (EXTRACTED, CHANGED, MATCHED, WITHDRAWN, FAILED, REMOVED)

# The queue takes 64 KiB, which base64 makes of 48. Consumers and Event Grid's price prefer 16, so
# keywords are left out down to that.
TARGET_BYTES: Final = 16 * 1024
MAX_BYTES: Final = 48 * 1024

_NAMESPACE: Final = uuid.UUID("3f0c2f9e-5f0b-5e0d-9a53-0a6f6f0f8d10")


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope, structured JSON; names as CloudEvents 1.0 and its extensions have them.

    Attributes:
        sequence: The edition, nine digits. It rises, not always by one: ignore an event whose sequence is not
            higher than the last one that you applied for its subject.
        partitionkey: The video's id.
        traceparent: W3C trace context of the job or request that made the edition.
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


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The edition that events belong to, and the version that they are about.

    Attributes:
        source: The Video Indexer account's ARM resource id.
        edition: The edition's number.
        time: When the edition was made (UTC).
        body: The version as it is stored.
        url: Where it is stored.
        traceparent: W3C trace context of the job or request that made the edition.
    """

    source: str
    edition: int
    time: datetime
    body: bytes
    url: str
    traceparent: str | None

    @property
    def pointer(self) -> Pointer:
        """The version's URL and the SHA-256 of its bytes, as events carry them."""
        return Pointer(url=self.url, sha256=hashlib.sha256(self.body).hexdigest())


def version_events(
    document: KeywordDocument,
    origin: Origin,
    *,
    previous: KeywordDocument | None,
    matches: Sequence[Match] = (),
    ended: Sequence[ActiveMatch] = (),
) -> tuple[bytes, ...]:
    """Return the events of a version's edition, each as the bytes that are sent.

    The event about the version's keywords comes first, then one for each interest that matches, then one for each
    match that ended.

    Args:
        document: The version.
        origin: Its edition.
        previous: The version before.
        matches: The interests that match it.
        ended: The matches that no longer hold.
    """
    pointer = origin.pointer
    if document.state in FAILED_STATES:
        kind, count, builder = FAILED, 0, keyword_events.failed(document, pointer)
    elif document.state == REMOVED_STATE:
        kind = REMOVED
        count, builder = keyword_events.removed(document, previous, pointer)
    elif previous is None or previous.keywords_version is None:
        kind = EXTRACTED
        count, builder = keyword_events.extracted(document, pointer)
    else:
        kind = CHANGED
        count, builder = keyword_events.changed(document, previous, pointer)
    interests = interest_events(document, origin, matches=matches, ended=ended)
    return (_event(document, origin, kind, count, builder), *interests)


def interest_events(
    document: KeywordDocument,
    origin: Origin,
    *,
    matches: Sequence[Match],
    ended: Sequence[ActiveMatch],
) -> tuple[bytes, ...]:
    """Return an event for each of `matches`, then one for each match that `ended`."""
    pointer = origin.pointer
    matched = [
        _event(
            document,
            origin,
            MATCHED,
            *about_interests.matched(document, match, pointer),
            interest=(match.interest.id, match.interest_hash),
        )
        for match in matches
    ]
    withdrawn = [
        _event(
            document,
            origin,
            WITHDRAWN,
            *about_interests.withdrawn(document, former, pointer),
            interest=(former.interest.id, former.interest.hash),
        )
        for former in ended
    ]
    return (*matched, *withdrawn)


def event_id(document: KeywordDocument, edition: int, event_type: str, interest: tuple[str, ...] = ()) -> str:
    """Return the UUIDv5 of account, video, edition, content hash, type and interest.

    New information gets a new id, and the same information never does.

    Args:
        document: The version.
        edition: The edition's number.
        event_type: The event's type.
        interest: The interest's id and the hash of its definition.
    """
    parts = (
        document.account_id,
        document.video_id,
        str(edition),
        document.content_hash,
        event_type,
        *interest,
    )
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def _event(
    document: KeywordDocument,
    origin: Origin,
    event_type: str,
    count: int,
    builder: DataBuilder,
    interest: tuple[str, ...] = (),
) -> bytes:
    subject = f"videos/{document.video_id}"

    def encode(shown: int) -> bytes:
        event = CloudEvent(
            specversion="1.0",
            id=event_id(document, origin.edition, event_type, interest),
            source=origin.source,
            type=event_type,
            subject=f"{subject}/interests/{interest[0]}" if interest else subject,
            time=origin.time.isoformat().replace("+00:00", "Z"),
            datacontenttype="application/json",
            dataschema=schema_of(event_type),
            sequence=f"{origin.edition:09d}",
            partitionkey=document.video_id,
            traceparent=origin.traceparent,
            data=builder(shown),
        )
        return msgspec.json.encode(event)

    return _fit(encode, count)


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

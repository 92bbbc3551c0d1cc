"""CloudEvents 1.0 about versions of keyword documents: pure, with ids that repeat when the information does.

An event is built once, when its version is made, and its exact bytes are stored beside the version:
retry, resume and replay send those.
"""

import hashlib
import itertools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from keywire.documents.content import FAILED_STATES, REMOVED_STATE
from keywire.documents.document import KeywordDocument
from keywire.events import interests
from keywire.events import interests as interest_events
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


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a version's events come from.

    Attributes:
        source: The Video Indexer account's ARM resource id.
        body: The version as it is stored.
        url: Where it is stored.
        traceparent: W3C trace context of the job that made it.
    """

    source: str
    body: bytes
    url: str
    traceparent: str | None

    @property
    def pointer(self) -> Pointer:
        """As events carry it."""
        return Pointer(url=self.url, sha256=hashlib.sha256(self.body).hexdigest())


def events_of(
    document: KeywordDocument,
    origin: Origin,
    *,
    previous: KeywordDocument | None,
    matches: Sequence[Match] = (),
    before: Mapping[str, ActiveMatch] | None = None,
) -> tuple[bytes, ...]:
    """The events of a version, each as the bytes that go out.

    What the version says of its keywords comes first, then each interest that matches, then each that no
    longer does. A failed version says nothing of interests: the keywords that they match are still there.

    Args:
        document: The version.
        origin: Where it lies, and who made it.
        previous: The version before.
        matches: The interests that match it.
        before: The matches in force before it.
    """
    pointer = origin.pointer
    if document.state in FAILED_STATES:
        return (_event(document, origin, FAILED, (0, keyword_events.failed(document, pointer))),)
    if document.state == REMOVED_STATE:
        kind, told = REMOVED, keyword_events.removed(document, previous, pointer)
    elif previous is None or previous.keywords_version is None:
        kind, told = EXTRACTED, keyword_events.extracted(document, pointer)
    else:
        kind, told = CHANGED, keyword_events.changed(document, previous, pointer)
    about_interests = interest_events_of(document, origin, matches=matches, before=before or {})
    return (_event(document, origin, kind, told), *about_interests)


def interest_events_of(
    document: KeywordDocument,
    origin: Origin,
    *,
    matches: Sequence[Match],
    before: Mapping[str, ActiveMatch],
    told: Collection[str] = (),
) -> tuple[bytes, ...]:
    """An event for each of `matches`, then one for each match in force `before` that is not among them.

    `told` are the ids of the version's events so far: an interest that comes back as it was before it was
    withdrawn is news again, and gets an id that is not among them.
    """
    pointer = origin.pointer

    def interest(event_type: str, *names: str) -> tuple[str, ...]:
        for number in itertools.count():
            found = (*names, str(number)) if number else names
            if event_id(document, event_type, found) not in told:
                return found
        raise AssertionError

    matched = [
        _event(
            document,
            origin,
            MATCHED,
            interest_events.matched(document, match, pointer),
            interest=interest(MATCHED, match.interest.id, match.interest_hash),
        )
        for match in matches
    ]
    withdrawn = [
        _event(
            document,
            origin,
            WITHDRAWN,
            interest_events.withdrawn(document, gone, pointer),
            interest=interest(WITHDRAWN, gone.interest.id, gone.interest.hash),
        )
        for gone in interests.ended_matches(matches, before)
    ]
    return (*matched, *withdrawn)


def event_id(document: KeywordDocument, event_type: str, interest: tuple[str, ...] = ()) -> str:
    """UUIDv5 of account, video, version, type and interest: the same information never gets a second id.

    `interest` is its id, the hash of its definition, and a number where that was told before.
    """
    parts = (document.account_id, document.video_id, str(document.version), event_type, *interest)
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def _event(
    document: KeywordDocument,
    origin: Origin,
    event_type: str,
    told: tuple[int, DataBuilder],
    interest: tuple[str, ...] = (),
) -> bytes:
    count, data = told
    subject = f"videos/{document.video_id}"

    def encode(tell: int) -> bytes:
        event = CloudEvent(
            specversion="1.0",
            id=event_id(document, event_type, interest),
            source=origin.source,
            type=event_type,
            subject=f"{subject}/interests/{interest[0]}" if interest else subject,
            time=document.extracted_at.isoformat().replace("+00:00", "Z"),
            datacontenttype="application/json",
            dataschema=schema_of(event_type),
            sequence=f"{document.version:09d}",
            partitionkey=document.video_id,
            traceparent=origin.traceparent,
            data=data(tell),
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

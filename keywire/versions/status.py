"""Publication status: what the current document's blob metadata says about it. Pure.

A listing shows it without reading a document. It is swapped together with the document against its ETag, so what it
names is what consumers are told: only an event list that the metadata names is ever sent.

Version 0.1 knows `version`, `published` and `asof` only, and drops the rest when it writes. A document without an
edition is therefore not an error: its next edition restates everything (see `keywire.versions.outbox`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# The oldest moment: a document without a readable `asof` answers for no question.
NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Edition:
    """The newest edition: what consumers are told about the video.

    Attributes:
        number: The `sequence` of its events.
        list: The file in history with its events; None if it has none.
        active: The file in history that says which matches hold; None if none does.
        sent: The newest edition that was sent.
    """

    number: int
    list: str | None
    active: str | None
    sent: int

    @property
    def is_sent(self) -> bool:
        """Whether every destination's queue has it."""
        return self.sent >= self.number


@dataclass(frozen=True, kw_only=True)
class Matched:
    """With which interests the document was matched last, all of them.

    Attributes:
        interests: The stamp of the interests file and of the rules (`InForce.stamp`).
        at: When, on storage's clock (UTC).
    """

    interests: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class PublicationStatus:
    """Blob metadata of a current document.

    Attributes:
        version: The document's version.
        published: The newest version that was sent; instances of version 0.1 read it.
        state: The document's state: a listing shows tombstones.
        as_of: The newest moment on Video Indexer's clock that the document answers for (UTC).
        edition: The newest edition; None if version 0.1 wrote the metadata, or nobody did.
        matched: None if the document was never matched with all interests.
    """

    version: int
    published: int
    state: str
    as_of: datetime
    edition: Edition | None = None
    matched: Matched | None = None

    @property
    def is_published(self) -> bool:
        """Whether everything that consumers are told about the document was sent."""
        if self.edition is not None:
            return self.edition.is_sent
        return self.published == self.version

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata: C# identifiers, ASCII, below 1 KB."""
        metadata = {
            "version": str(self.version),
            "published": str(self.published),
            "state": self.state,
            "asof": self.as_of.astimezone(UTC).isoformat(),
        }
        if self.edition is not None:
            metadata |= {"edition": str(self.edition.number), "sent": str(self.edition.sent)}
            metadata |= {"list": self.edition.list} if self.edition.list else {}
            metadata |= {"active": self.edition.active} if self.edition.active else {}
        if self.matched is not None:
            metadata |= {
                "interests": self.matched.interests,
                "matchedat": self.matched.at.astimezone(UTC).isoformat(),
            }
        return metadata


def read_status(metadata: Mapping[str, str] | None, *, version: int | None = None) -> PublicationStatus:
    """Return the status in a blob's metadata; what is absent or malformed counts as unknown.

    Args:
        metadata: The blob's metadata.
        version: The document's version, if the document was read. Metadata of another version was copied or written
            by hand: its edition is unknown then.
    """
    found = metadata or {}
    noted = _number(found.get("version"))
    edition = _edition(found) if version is None or noted == version else None
    matched_at = _moment(found.get("matchedat"))
    stamp = found.get("interests")
    return PublicationStatus(
        version=version if version is not None else noted or 0,
        published=_number(found.get("published")) or 0,
        state=found.get("state", ""),
        as_of=_moment(found.get("asof")) or NEVER,
        edition=edition,
        matched=Matched(interests=stamp, at=matched_at) if edition and stamp and matched_at else None,
    )


def _edition(metadata: Mapping[str, str]) -> Edition | None:
    number, sent = _number(metadata.get("edition")), _number(metadata.get("sent"))
    if number is None or sent is None:
        return None
    return Edition(number=number, list=metadata.get("list"), active=metadata.get("active"), sent=sent)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 9 else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

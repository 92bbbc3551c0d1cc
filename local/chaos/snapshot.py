"""What is found when a run is over: the truth of Video Indexer's emulator, and what Keywire made of it.

Plain values, so that the audit of them is pure and a test can make and break them.
"""

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one indexing ended, and the keywords that the video had from then on, as Video Indexer has them."""

    state: str
    failure_code: str | None
    failure_message: str | None
    keywords: tuple[dict[str, Any], ...]

    @property
    def content(self) -> tuple[Any, ...]:
        """What makes it another version than the one before: not the words in which a failure is told."""
        return self.state, self.failure_code, self.keywords


@dataclass(frozen=True, kw_only=True)
class Video:
    """What is true of a video.

    Attributes:
        seen: Which outcomes (by their place) were published before the next thing happened to the video:
            the history has to tell those, and the last one. Others it may have missed.
        reference: What the uploader calls it, where a signed callback URL said so.
    """

    id: str
    name: str
    removed: bool
    outcomes: tuple[Outcome, ...]
    seen: frozenset[int]
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A current document as it lies in storage."""

    body: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that the audit looks at.

    Attributes:
        account_id: Video Indexer's account.
        source: Its ARM resource id.
        videos: All that there ever were.
        documents: By video.
        history: Every file of `keywords-history`, by its path.
        queued: The text of every message on the events' queue.
        delivered: The body of every delivery to the Event Grid subscriber.
        poison: The text of every message on a poison queue, by queue.
        unreadable_jobs: Messages that were put on the queue `extraction` and are no jobs: they belong in
            poison. Base64, as they were on the queue.
        storage_stopped: Whether storage could not be reached for a while.
        dead_letters: Events that Event Grid could not deliver.
    """

    account_id: str
    source: str
    videos: tuple[Video, ...]
    documents: Mapping[str, Document]
    history: Mapping[str, bytes]
    queued: tuple[str, ...]
    delivered: tuple[bytes, ...]
    poison: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable_jobs: tuple[str, ...] = ()
    storage_stopped: bool = False
    dead_letters: int = 0

    @cached_property
    def queued_bodies(self) -> frozenset[bytes]:
        """The messages on the events' queue, decoded; one that is not base64 is left out."""
        found = set()
        for text in self.queued:
            with suppress(binascii.Error):
                found.add(base64.b64decode(text, validate=True))
        return frozenset(found)

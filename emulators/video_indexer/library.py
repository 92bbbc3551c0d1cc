"""The account's videos, in memory: what was uploaded, in which state it is, and what is known of it.

Separate from indexing, which moves videos through their states, and from the views of them that the API
gives. Nothing survives a restart. A removed video is remembered, because the service answers for it
differently than for one that it never had.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from emulators.framework.clock import Clock
from emulators.framework.exact_json import JsonObject

type State = Literal["Uploaded", "Processing", "Processed", "Failed", "Quarantined"]

_ID_LENGTH: Final = 10
_ID_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the uploader said about a video; None where nothing was said."""

    name: str
    description: str | None = None
    partition: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    metadata: str | None = None
    privacy: str | None = None
    language: str | None = None
    indexing_preset: str | None = None
    streaming_preset: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an indexing ends."""

    state: Literal["Processed", "Failed", "Quarantined"]
    failure_code: str | None = None
    failure_message: str | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """One indexing that ended: when (Unix seconds), how, and what the video's index has found since."""

    began: float
    ended: float
    outcome: Outcome
    found: JsonObject | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to notify the uploader: an HTTP status, or the reason why there is none."""

    time: str
    notification: Literal["indexing", "person-identified"]
    state: str | None
    status: int | None
    error: str | None = None


@dataclass(slots=True)
class Video:
    """One video. `media` is what its next indexing finds, `found` what the last one found."""

    id: str
    given: Given
    media: JsonObject | None
    created: float
    callback_url: str | None
    state: State = "Uploaded"
    last_modified: float = 0
    last_indexed: float = 0
    indexing_seconds: float = 0
    history: list[Indexed] = field(default_factory=list)
    removed: bool = False
    found: JsonObject | None = None
    failure: Outcome | None = None
    next_outcome: Outcome | None = None
    translations: dict[str, JsonObject] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def indexings(self) -> int:
        """How many indexings have ended."""
        return len(self.history)

    @property
    def is_indexing(self) -> bool:
        """Whether it is on its way to a final state."""
        return self.state in ("Uploaded", "Processing")

    def progress(self, now: float) -> str:
        """How far its indexing is; never 100 % before it has ended."""
        if self.state == "Uploaded" or self.indexing_seconds <= 0:
            return "0%"
        return f"{min(99, max(0, int(100 * (now - self.last_indexed) / self.indexing_seconds)))}%"


class Library:
    """The videos of the account, in the order of their upload."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._drawn = 0
        self._videos: dict[str, Video] = {}

    def add(self, given: Given, media: JsonObject | None, callback_url: str | None) -> Video:
        """A new video in state Uploaded."""
        now = self._clock()
        video = Video(self._new_id(), given, media, now, callback_url, last_modified=now, last_indexed=now)
        self._videos[video.id] = video
        return video

    def find(self, video_id: str) -> Video | None:
        """The video, removed or not."""
        return self._videos.get(video_id)

    def everything(self) -> Iterator[Video]:
        """All videos, the removed ones too."""
        return iter(self._videos.values())

    def newest_first(self) -> list[Video]:
        """The videos that are there, in the service's order, which shifts under whoever pages through it."""
        return [video for video in reversed(self._videos.values()) if not video.removed]

    def _new_id(self) -> str:
        while True:
            self._drawn += 1
            digest = hashlib.sha256(f"{self._seed}:{self._drawn}".encode()).digest()
            drawn = "".join(_ID_CHARACTERS[byte % len(_ID_CHARACTERS)] for byte in digest[:_ID_LENGTH])
            if drawn not in self._videos:
                return drawn

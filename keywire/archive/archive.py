"""What an archive does, and what it answers.

`PostgresArchive` implements it. Handlers and use cases know this module only, so that importing them imports no driver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from keywire.archive.moments import ArchivedVideo
from keywire.archive.query import Query


class QueryTimeoutError(Exception):
    """The query took longer than the statement timeout; narrow it."""


class PutResult(StrEnum):
    """What a put did."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"


class Order(StrEnum):
    """The order of results; the video's id makes both total."""

    RELEVANCE = "relevance"
    NEWEST = "newest"


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which videos and moments count.

    Attributes:
        languages: Language tags of keywords; `en` includes `en-US`, and keywords without a label pass.
        account_id: Video Indexer's account.
        created_from, created_to: When the video was created: from, and before.
        min_confidence: 0 to 1; an unknown confidence counts as 0.5.
        min_seconds: How long a keyword is on in total.
        external_id: What the uploader called the video.
        metadata: Fields of the uploader's metadata, with their values.
        states: Video Indexer's states.
    """

    languages: Sequence[str] = ()
    account_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    min_confidence: float | None = None
    min_seconds: float | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None
    states: Sequence[str] = ()


class Moment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword in a video.

    Attributes:
        terms: The indexes of the query's terms that it meets, from 0.
        ranges: Start and end in seconds.
        source_videos: In a project, the video of each range.
    """

    text: str
    language: str | None
    confidence: float | None
    score: float
    total_seconds: float
    ranges: tuple[tuple[float, float], ...]
    terms: tuple[int, ...] = ()
    source_videos: tuple[str, ...] | None = None


class FoundVideo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A video with its best moments.

    Attributes:
        created: When the video was created; when it was extracted, if `created_known` is false.
        score: 0 to 1 over the query's terms; None in a list without a query.
        moments: The best ones first.
        more_moments: How many moments are not listed.
    """

    account_id: str
    video_id: str
    name: str | None
    external_id: str | None
    language: str | None
    state: str
    created: datetime
    created_known: bool
    duration_seconds: float | None
    score: float | None
    moments: tuple[Moment, ...]
    more_moments: int = 0


class SearchPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of results.

    Attributes:
        total: How many videos there are, at most `TOTAL_BOUND`.
        total_is_bound: Whether there are more than `total`.
        cursor: Continues behind this page; None at the end.
    """

    videos: tuple[FoundVideo, ...]
    total: int
    total_is_bound: bool
    cursor: str | None


class Suggestion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword that continues what was typed, and in how many videos it occurs (at most a bound)."""

    text: str
    videos: int


class Trend(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword that occurs in a larger share of a period's videos than in the period before.

    Attributes:
        share, share_before: Of the videos of the period and of the one before, 0 to 1.
        days: How many videos on each day of the period that has any.
    """

    text: str
    videos: int
    videos_before: int
    share: float
    share_before: float
    days: Mapping[date, int]


class Companion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword that occurs in the same videos, and in how many of the sampled ones."""

    text: str
    videos: int


class KeywordLife(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A keyword through time.

    Attributes:
        videos: How many videos have it.
        months: How many videos by the first day of their month.
        best_videos: The videos in which it counts most.
        companions: Other keywords of its best videos, the most frequent first.
    """

    text: str
    videos: int
    months: Mapping[date, int]
    best_videos: tuple[FoundVideo, ...]
    companions: tuple[Companion, ...]


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What the archive has of a video.

    Attributes:
        is_current: Whether it was put with this release's tokens.
    """

    version: int
    content_hash: str
    is_current: bool


class Archive(Protocol):
    """The archive.

    Every method may raise `ThrottledError`, `TransientError` or `MisconfiguredError` (`keywire.archive.errors`).
    """

    async def put(self, video: ArchivedVideo) -> PutResult:
        """Store a video, unless the archive has the same or a newer version."""

    async def put_many(self, videos: Sequence[ArchivedVideo]) -> Sequence[PutResult]:
        """Store videos in one transaction."""

    async def erase(self, account_id: str, video_id: str) -> bool:
        """Delete a video's text and moments, and text that no other video has; keep its version and hash.

        Returns:
            Whether the archive had the video.
        """

    async def search(
        self,
        query: Query | None,
        filters: Filters,
        *,
        order: Order = Order.RELEVANCE,
        limit: int = 20,
        cursor: str | None = None,
    ) -> SearchPage:
        """Return the videos that meet a query; all videos, newest first, without one.

        Raises:
            InvalidCursorError: The cursor is not one of this query and order.
            QueryTimeoutError: It took too long.
        """

    async def suggest(self, text: str, *, limit: int = 10) -> Sequence[Suggestion]:
        """Return keywords that begin with what was typed, or have a word that does."""

    async def trends(
        self, until: datetime, days: int, *, min_videos: int = 3, limit: int = 20
    ) -> Sequence[Trend]:
        """Return the keywords that rose most in the days before `until`."""

    async def keyword(self, text: str) -> KeywordLife | None:
        """Return a keyword's life, in every spelling with the same normalized text; None if no video has it."""

    async def versions(self, account_id: str, video_ids: Sequence[str]) -> Mapping[str, StoredVersion]:
        """Return what the archive has of videos, by video id."""

    async def moments(self, account_id: str, video_id: str) -> FoundVideo | None:
        """Return a video with all its moments, or None if the archive does not have it."""

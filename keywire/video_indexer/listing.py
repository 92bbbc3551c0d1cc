"""A tolerant reader for List Videos: the account's videos in short, one page at a time.

An entry that cannot be read is counted and does not affect the others. An answer without a list is an error: if it were
taken for an empty account, reconciliation would ask about every document.

The service's description of `createdAfter` and `createdBefore` is swapped; its samples use them as their names say.
Callers therefore check each video against the period themselves.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from keywire.decoding import DECODE_ERRORS, describe
from keywire.ids import is_video_id
from keywire.video_indexer.errors import TransientError
from keywire.video_indexer.period import Period

# The highest documented page size. If the service returns fewer videos, `nextPage` says so.
PAGE_SIZE: Final = 1000


class ListedVideo(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the list.

    Attributes:
        id: The video's id, checked to be safe in a path.
        state: The state as it came.
        created: When it was uploaded (UTC); None if the entry does not say.
        last_indexed: When its last indexing began (UTC); None if the entry does not say.
    """

    id: str
    state: str
    created: datetime | None
    last_indexed: datetime | None


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list.

    Attributes:
        videos: The readable entries, in the service's order.
        unreadable: The number of other entries.
        next_skip: The start of the next page; None after the last one.
    """

    videos: tuple[ListedVideo, ...]
    unreadable: int
    next_skip: int | None

    @property
    def entries(self) -> int:
        """The number of entries, readable or not."""
        return len(self.videos) + self.unreadable


class _Source(Protocol):
    """Sends GET requests; `VideoIndexerClient` in production."""

    async def get(self, operation: str, path: str, params: Mapping[str, str]) -> bytes:
        """Return the body of the answer, or raise a `VideoIndexerError`."""


class _Entry(msgspec.Struct, rename="camel"):
    id: Any = None
    state: Any = None
    created: Any = None
    last_indexed: Any = None


class _NextPage(msgspec.Struct, rename="camel"):
    skip: Any = None
    done: Any = None


class _Answer(msgspec.Struct, rename="camel"):
    results: list[msgspec.Raw]
    next_page: msgspec.Raw = msgspec.Raw(b"null")


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ENTRY: Final = msgspec.json.Decoder(_Entry)
_NEXT_PAGE: Final = msgspec.json.Decoder(_NextPage)


async def list_videos(
    source: _Source, *, skip: int = 0, page_size: int = PAGE_SIZE, period: Period | None = None
) -> ListPage:
    """Return a page of the account's videos in all states; some may be outside `period`.

    Raises:
        VideoIndexerError: See `keywire.video_indexer.errors`.
    """
    params = {"pageSize": str(page_size), "skip": str(skip)}
    if period and period.after:
        params["createdAfter"] = period.after.astimezone(UTC).isoformat()
    if period and period.before:
        params["createdBefore"] = period.before.astimezone(UTC).isoformat()
    return parse(await source.get("ListVideos", "", params), skip=skip, page_size=page_size)


def parse(body: bytes, *, skip: int, page_size: int) -> ListPage:
    """Return the page in the body of a List Videos answer to a request with `skip` and `page_size`.

    Raises:
        TransientError: The body has no list: it was cut short, or another server than the service wrote it.
    """
    try:
        answer = _ANSWER.decode(body)
    except DECODE_ERRORS as error:
        raise TransientError(f"the answer to ListVideos is not a list: {describe(error)}") from None
    videos = [video for raw in answer.results if (video := _video(raw))]
    return ListPage(
        videos=tuple(videos),
        unreadable=len(answer.results) - len(videos),
        next_skip=_next_skip(answer, skip, page_size),
    )


def _next_skip(answer: _Answer, skip: int, page_size: int) -> int | None:
    try:
        next_page = _NEXT_PAGE.decode(answer.next_page)
    except DECODE_ERRORS:
        next_page = _NextPage()
    count = len(answer.results)
    # If the service does not say, a page that is not full is the last one. An empty page always is: to continue after
    # it would never end.
    done = next_page.done if isinstance(next_page.done, bool) else count < page_size
    if done or count == 0:
        return None
    return next_page.skip if type(next_page.skip) is int and next_page.skip > skip else skip + count


def _video(raw: msgspec.Raw) -> ListedVideo | None:
    try:
        entry = _ENTRY.decode(raw)
    except DECODE_ERRORS:
        return None
    if not isinstance(entry.id, str) or not is_video_id(entry.id) or not isinstance(entry.state, str):
        return None
    return ListedVideo(
        id=entry.id,
        state=entry.state,
        created=_moment(entry.created),
        last_indexed=_moment(entry.last_indexed),
    )


def _moment(value: Any) -> datetime | None:
    """Return an RFC 3339 time in UTC; without an offset it is UTC already. Microseconds are kept, 100 ns are not."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    # .NET's default DateTime, year 1, means that there is none.

    return moment if moment.year > 1 else None

"""List Videos: the account's videos in short, a page at a time, and read with tolerance.

An entry that can't be read costs nobody else: it is counted. An answer that is no list at all is an error:
taken for an empty account, it would put every video in question.

The service's own description of `createdAfter` and `createdBefore` is swapped (its samples use them as
their names say), so what lies outside of a period is also left out here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from keywire.decoding import DECODE_ERRORS, describe
from keywire.ids import is_video_id
from keywire.video_indexer.errors import TransientError
from keywire.video_indexer.period import Period

# The most that any edition of the service is documented to take; where it gives less, it says so.
PAGE_SIZE: Final = 1000


class ListedVideo(msgspec.Struct, frozen=True, kw_only=True):
    """A video as the list tells of it; None where it doesn't.

    Attributes:
        id: The video's id, in a form that is safe in a path.
        state: As it came.
        created: When it came to the account (UTC).
        last_indexed: When it was indexed the last time (UTC).
    """

    id: str
    state: str
    created: datetime | None
    last_indexed: datetime | None


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list.

    Attributes:
        videos: Its readable entries, in the service's order.
        unreadable: How many there are besides them.
        next_skip: Where the service says that the next part begins; None after the last.
    """

    videos: tuple[ListedVideo, ...]
    unreadable: int
    next_skip: int | None

    @property
    def entries(self) -> int:
        """How many places of the list it takes."""
        return len(self.videos) + self.unreadable


class _Source(Protocol):
    """Who is asked; `VideoIndexerClient` in production."""

    async def get(self, operation: str, path: str, params: Mapping[str, str]) -> bytes:
        """The body of the answer; raises `VideoIndexerError`."""


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
    """A part of the account's list, videos in all states; those outside of `period` may be among them.

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
    """Read the body of a List Videos answer to a request with `skip` and `page_size`.

    Raises:
        TransientError: It is no list: cut short on its way, or not the service's own answer.
    """
    try:
        answer = _ANSWER.decode(body)
    except DECODE_ERRORS as error:
        raise TransientError(f"ListVideos gave no list: {describe(error)}") from None
    videos = [video for raw in answer.results if (video := _video(raw))]
    return ListPage(
        videos=tuple(videos),
        unreadable=len(answer.results) - len(videos),
        next_skip=_next_skip(answer, skip, page_size),
    )


def _next_skip(answer: _Answer, skip: int, page_size: int) -> int | None:
    try:
        said = _NEXT_PAGE.decode(answer.next_page)
    except DECODE_ERRORS:
        said = _NextPage()
    count = len(answer.results)
    # Without a word of the service, a page that is not full is the last one. So is an empty one: skipping
    # over nothing would never end.
    done = said.done if isinstance(said.done, bool) else count < page_size
    if done or count == 0:
        return None
    return said.skip if type(said.skip) is int and said.skip > skip else skip + count


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
    """RFC 3339, UTC where it names no offset. The service's 100 ns are cut to microseconds."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    # .NET's default time stands for none.
    return moment if moment.year > 1 else None

"""Reading from the archive: searches, and the moments of a video."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import dict_row

from keywire.archive import cursor as cursors
from keywire.archive import parameters, statements
from keywire.archive.archive import Filters, FoundVideo, Order, SearchPage
from keywire.archive.cursor import Cursor
from keywire.archive.moments import video_key
from keywire.archive.query import Query, spells
from keywire.archive.rows import found_video

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from keywire.archive.connection import Connections

TOTAL_BOUND: Final = 1_000
MOMENTS_PER_VIDEO: Final = 10
ALL_MOMENTS: Final = 20_000


class PostgresReader:
    """Searches the archive.

    Args:
        connections: Connections that only read.
    """

    def __init__(self, connections: "Connections") -> None:
        self._readers = connections

    async def search(
        self,
        query: Query | None,
        filters: Filters,
        *,
        order: Order = Order.RELEVANCE,
        limit: int = 20,
        cursor: str | None = None,
    ) -> SearchPage:
        """Return the videos that meet a query; all videos, newest first, without one."""
        order = order if query else Order.NEWEST
        search = cursors.print_of(query, filters, order)
        after = cursors.decode(cursor, search) if cursor else None
        async with self._readers.connection() as connection:
            languages = await _languages(connection)
            wanted = parameters.of_query(query, languages) | parameters.of_filters(filters, languages)
            wanted["exclusions"] = await _exclusions(connection, wanted)
            page = {
                "after_key": after.key if after else None,
                "after_video": after.video if after else None,
                "limit": limit,
                "bound": TOTAL_BOUND,
            }
            statement = statements.BROWSE if query is None else _statement(query, order)
            found = await (await connection.execute(statement, wanted | page)).fetchall()
            rows = found[:limit]
            videos = await videos_of(
                connection, [row[0] for row in rows], {row[0]: row[3] for row in rows}, wanted
            )
        last = Cursor(search, rows[-1][1], rows[-1][0]) if len(found) > limit else None
        total = rows[0][2] if rows else 0
        return SearchPage(
            videos=tuple(videos),
            total=min(total, TOTAL_BOUND),
            total_is_bound=total > TOTAL_BOUND,
            cursor=cursors.encode(last) if last else None,
        )

    async def moments(self, account_id: str, video_id: str) -> FoundVideo | None:
        """Return a video with all its moments, or None if the archive does not have it."""
        wanted = parameters.of_query(None, ()) | parameters.of_filters(Filters(), ())
        async with self._readers.connection() as connection:
            videos = await videos_of(
                connection, [video_key(account_id, video_id)], {}, wanted, most=ALL_MOMENTS, all_moments=True
            )
        return videos[0] if videos else None


async def videos_of(
    connection: "AsyncConnection",
    keys: Sequence[int],
    weights: Mapping[int, int | None],
    wanted: Mapping[str, Any],
    *,
    most: int = MOMENTS_PER_VIDEO,
    all_moments: bool = False,
) -> list[FoundVideo]:
    """Return the videos of a page, in its order, with their moments.

    Args:
        connection: A connection.
        keys: The ids of the videos.
        weights: Their weights, for the score.
        wanted: The parameters of the query and its filters.
        most: How many moments each video has at most.
        all_moments: Whether moments that meet no term count too.
    """
    page = {**wanted, "videos": keys, "moments": most, "all_moments": all_moments}
    async with connection.cursor(row_factory=dict_row) as cursor:
        found = await (await cursor.execute(statements.VIDEOS, page)).fetchall()
        videos = {row["video"]: row for row in found}
        moments: dict[int, list[dict[str, Any]]] = {}
        if wanted["queries"] or all_moments:
            for row in await (await cursor.execute(statements.MOMENTS, page)).fetchall():
                moments.setdefault(row["video"], []).append(row)
    # A video that was removed after the search is not among the videos.
    return [found_video(videos[key], moments.get(key, []), weights.get(key)) for key in keys if key in videos]


def _statement(query: Query, order: Order) -> str:
    if order == Order.NEWEST:
        return statements.SEARCH_NEWEST
    is_one_term = len(query.groups) == 1 and len(query.groups[0]) == 1
    return statements.SEARCH_WORD if is_one_term else statements.SEARCH_BEST


async def _languages(connection: "AsyncConnection") -> list[str]:
    return [row[0] for row in await (await connection.execute(statements.LANGUAGES)).fetchall()]


async def _exclusions(connection: "AsyncConnection", wanted: Mapping[str, Any]) -> list[str]:
    """Return for each term the keywords in which an exact spelling occurs only inside a longer word."""
    exclusions = []
    for query, exact in zip(wanted["queries"], wanted["exacts"], strict=True):
        rows: list[tuple[int, str]] = []
        if exact is not None:
            found = await connection.execute(statements.SPELLINGS, {"query": query, "exact": exact})
            rows = await found.fetchall()
        exclusions.append(parameters.numbers(key for key, text in rows if not spells(text, exact)))
    return exclusions

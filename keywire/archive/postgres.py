"""The archive in PostgreSQL: runs the statements, and turns rows into results."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.rows import dict_row, tuple_row

from keywire.archive import cursor as cursors
from keywire.archive import schema, statements
from keywire.archive.archive import (
    Filters,
    FoundVideo,
    Moment,
    Order,
    PutResult,
    SearchPage,
)
from keywire.archive.cursor import Cursor
from keywire.archive.errors import is_conflict
from keywire.archive.moments import CONFIDENCE_UNIT, ArchivedVideo, score_of_weight, video_key
from keywire.archive.query import Query, Term, spells
from keywire.archive.tokens import TOKENS_VERSION, phrase, vector
from keywire.documents.text import normalize
from keywire.interests.matching.words import primary

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from keywire.archive.connection import Connections

TOTAL_BOUND: Final = 1_000
MAX_LIMIT: Final = 100
MOMENTS_PER_VIDEO: Final = 10
ALL_MOMENTS: Final = 20_000
# Texts that superseded versions left in the dictionary are collected when there are this many.
COLLECT_AT: Final = 1_000
_TRIES: Final = 3


class PostgresArchive:
    """The archive (`keywire.archive.archive.Archive`).

    Args:
        writers: Connections that may write.
        readers: Connections that only read; None for the same ones.
    """

    def __init__(self, writers: "Connections", readers: "Connections | None" = None) -> None:
        self._writers = writers
        self._readers = readers or writers
        self._migrated = False
        self._vanished = 0

    async def migrate(self) -> int:
        """Bring the schema up to date; return how many migrations there were."""
        async with self._writers.connection() as connection:
            applied = await schema.migrate(connection)
        self._migrated = True
        return applied

    async def put(self, video: ArchivedVideo) -> PutResult:
        """Store a video, unless the archive has the same or a newer version."""
        return (await self.put_many([video]))[0]

    async def put_many(self, videos: Sequence[ArchivedVideo]) -> Sequence[PutResult]:
        """Store videos in one transaction; of a video that is in it twice, the newest version."""
        if not self._migrated:
            await self.migrate()
        newest = {video.video: video for video in sorted(videos, key=_age)}
        results = await self._put(sorted(newest.values(), key=lambda video: video.video))
        if self._vanished >= COLLECT_AT or any(
            video.removed and results[video.video] == PutResult.STORED for video in newest.values()
        ):
            await self.collect()
        return [
            results[video.video] if newest[video.video] is video else PutResult.SUPERSEDED for video in videos
        ]

    async def erase(self, account_id: str, video_id: str) -> bool:
        """Delete a video's text and moments, and text that no other video has; keep its version and hash."""
        key = video_key(account_id, video_id)
        async with self._writers.connection() as connection, connection.transaction():
            await connection.execute(statements.SHARE_WRITER_LOCK, {"lock": schema.WRITER_LOCK})
            erased = await connection.execute(statements.ERASE_VIDEO, {"video": key})
            await connection.execute(
                statements.DELETE_VANISHED, {"videos": [key], "video": [], "keyword": []}
            )
        await self.collect()
        return erased.rowcount > 0

    async def collect(self) -> int:
        """Delete texts that no video has any more; return how many there were."""
        async with self._writers.connection() as connection, connection.transaction():
            await connection.execute(statements.TAKE_WRITER_LOCK, {"lock": schema.WRITER_LOCK})
            deleted = (await connection.execute(statements.COLLECT)).rowcount
        self._vanished = 0
        return deleted

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
            parameters = _parameters(query, filters, languages)
            await _exclude(connection, parameters)
            parameters |= {
                "after_key": after.key if after else None,
                "after_video": after.video if after else None,
                "limit": limit,
                "bound": TOTAL_BOUND,
            }
            statement = _statement(query, order)
            found = await (await connection.execute(statement, parameters)).fetchall()
            page = found[:limit]
            scores = {row[0]: row[3] if len(row) > 3 else row[1] for row in page} if query else {}
            videos = await self._videos(
                connection, [row[0] for row in page], parameters, scores, of_query=query is not None
            )
        last = Cursor(search, page[-1][1], page[-1][0]) if len(found) > limit else None
        total = page[0][2] if page else 0
        return SearchPage(
            videos=tuple(videos),
            total=min(total, TOTAL_BOUND),
            total_is_bound=total > TOTAL_BOUND,
            cursor=cursors.encode(last) if last else None,
        )

    async def moments(self, account_id: str, video_id: str) -> FoundVideo | None:
        """Return a video with all its moments, or None if the archive does not have it."""
        key = video_key(account_id, video_id)
        parameters = _parameters(None, Filters(), ()) | {"moments": ALL_MOMENTS, "all_moments": True}
        async with self._readers.connection() as connection:
            videos = await self._videos(connection, [key], parameters, {}, of_query=True)
        return videos[0] if videos else None

    async def _put(self, videos: Sequence[ArchivedVideo]) -> Mapping[int, PutResult]:
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._writers.connection() as connection:
                    return await self._put_once(connection, videos)
            except Exception as error:
                if not tries_left or not is_conflict(error):
                    raise
        raise AssertionError

    async def _put_once(
        self, connection: "AsyncConnection", videos: Sequence[ArchivedVideo]
    ) -> Mapping[int, PutResult]:
        keys = [video.video for video in videos]
        async with connection.transaction():
            await connection.execute(statements.SHARE_WRITER_LOCK, {"lock": schema.WRITER_LOCK})
            rows = await (await connection.execute(statements.PUT_VIDEOS, _video_columns(videos))).fetchall()
            fresh: dict[int, bool] = dict(rows)
            if fresh:
                await _put_occurrences(connection, [video for video in videos if video.video in fresh])
                self._vanished += await _delete_vanished(
                    connection, [video for video in videos if fresh.get(video.video) is False]
                )
            stored: dict[int, int] = {}
            if len(fresh) < len(videos):
                versions = await connection.execute(statements.VERSIONS, {"videos": keys})
                stored = dict(await versions.fetchall())
        return {
            video.video: PutResult.STORED
            if video.video in fresh
            else PutResult.UNCHANGED
            if stored.get(video.video) == video.version
            else PutResult.SUPERSEDED
            for video in videos
        }

    async def _videos(
        self,
        connection: "AsyncConnection",
        keys: Sequence[int],
        parameters: Mapping[str, Any],
        scores: Mapping[int, int],
        *,
        of_query: bool,
    ) -> list[FoundVideo]:
        """Return the videos of a page, in its order, with their moments."""
        wanted = {"moments": MOMENTS_PER_VIDEO, "all_moments": False, **parameters, "videos": keys}
        async with connection.cursor(row_factory=dict_row) as cursor:
            videos = {
                row["video"]: row
                for row in await (await cursor.execute(statements.VIDEOS, wanted)).fetchall()
            }
            moments: dict[int, list[dict[str, Any]]] = {}
            if of_query:
                for row in await (await cursor.execute(statements.MOMENTS, wanted)).fetchall():
                    moments.setdefault(row["video"], []).append(row)
        # A video that was removed since the first statement is not in the second.
        return [_found(videos[key], moments.get(key, []), scores.get(key)) for key in keys if key in videos]


def _age(video: ArchivedVideo) -> tuple[object, ...]:
    return (video.version, video.extracted_at, video.content_hash)


async def _languages(connection: "AsyncConnection") -> list[str]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        return [row[0] for row in await (await cursor.execute(statements.LANGUAGES)).fetchall()]


def _statement(query: Query | None, order: Order) -> str:
    if query is None:
        return statements.BROWSE
    if order == Order.NEWEST:
        return statements.SEARCH_NEWEST
    return statements.SEARCH_WORD if _is_one_term(query) else statements.SEARCH_BEST


def _is_one_term(query: Query) -> bool:
    return len(query.groups) == 1 and len(query.groups[0]) == 1


def _parameters(query: Query | None, filters: Filters, languages: Sequence[str]) -> dict[str, Any]:
    subtags = sorted({subtag for language in languages if (subtag := primary(language))})
    numbered = (
        [(number, term) for number, group in enumerate(query.groups) for term in group] if query else []
    )
    queries = [phrase(term.words, subtags, prefix=term.prefix) for _, term in numbered]
    exacts = [_exact(term) for _, term in numbered]
    return {
        "word": queries[0] if queries else None,
        "exact": exacts[0] if exacts else None,
        "excluded": [],
        "exclusions": ["{}"] * len(queries),
        "groups": [number for number, _ in numbered],
        "negated": [term.negated for _, term in numbered],
        "queries": queries,
        "exacts": exacts,
        "languages": _matching(filters.languages, languages),
        "created_from": filters.created_from,
        "created_to": filters.created_to,
        "min_confidence": _scaled(filters.min_confidence, CONFIDENCE_UNIT),
        "min_milliseconds": _scaled(filters.min_seconds, 1000),
        "by_video": bool(filters.account_id or filters.external_id or filters.metadata or filters.states),
        "account_id": filters.account_id,
        "external_id": filters.external_id,
        "metadata": msgspec.json.encode(filters.metadata).decode() if filters.metadata else None,
        "states": list(filters.states) or None,
    }


async def _exclude(connection: "AsyncConnection", parameters: dict[str, Any]) -> None:
    """Find the keywords in which an exact term occurs only inside a longer word."""
    exclusions: list[list[int]] = []
    for query, exact in zip(parameters["queries"], parameters["exacts"], strict=True):
        rows: list[tuple[int, str]] = []
        if exact is not None:
            found = await connection.execute(statements.SPELLINGS, {"query": query, "exact": exact})
            rows = await found.fetchall()
        exclusions.append([keyword for keyword, text in rows if not spells(text, exact)])
    parameters["excluded"] = exclusions[0] if exclusions else []
    parameters["exclusions"] = [_numbers(keywords) for keywords in exclusions]


def _exact(term: Term) -> str | None:
    return term.text if term.exact else None


def _scaled(value: float | None, unit: int) -> int | None:
    return None if value is None else round(value * unit)


def _matching(wanted: Sequence[str], languages: Sequence[str]) -> list[str] | None:
    """Return the archive's languages within the wanted ones, and "" for keywords without a label."""
    if not wanted:
        return None
    lowered = tuple(tag.lower() for tag in wanted)
    return [
        "",
        *(
            language
            for language in languages
            if any(language.lower() == tag or language.lower().startswith(f"{tag}-") for tag in lowered)
        ),
    ]


def _found(row: Mapping[str, Any], moments: Sequence[Mapping[str, Any]], weight: int | None) -> FoundVideo:
    return FoundVideo(
        account_id=row["account_id"],
        video_id=row["video_id"],
        name=row["name"],
        external_id=row["external_id"],
        language=row["language"],
        state=row["state"],
        created=row["created"],
        created_known=row["created_known"],
        duration_seconds=row["seconds"],
        score=None if weight is None else score_of_weight(weight),
        moments=tuple(_moment(each, row["sources"]) for each in moments),
        more_moments=moments[0]["moments"] - len(moments) if moments else 0,
    )


def _moment(row: Mapping[str, Any], sources: Sequence[str] | None) -> Moment:
    times = row["ranges"]
    return Moment(
        text=row["text"],
        language=row["language"] or None,
        confidence=None if row["confidence"] is None else row["confidence"] / CONFIDENCE_UNIT,
        score=score_of_weight(row["weight"]),
        total_seconds=row["milliseconds"] / 1000,
        ranges=tuple((start / 1000, end / 1000) for start, end in zip(times[::2], times[1::2], strict=True)),
        terms=tuple(row["terms"]),
        source_videos=tuple(sources[part] for part in row["parts"]) if sources and row["parts"] else None,
    )


async def _put_occurrences(connection: "AsyncConnection", videos: Sequence[ArchivedVideo]) -> None:
    keywords = {each.keyword: each for video in videos for each in video.occurrences}
    if not keywords:
        return
    found = await connection.execute(
        statements.MISSING_KEYWORDS, {"keywords": list(keywords), "tokens_version": TOKENS_VERSION}
    )
    missing = [keywords[key] for key in sorted(row[0] for row in await found.fetchall())]
    if missing:
        languages = sorted({each.language for each in missing} - {""})
        await connection.execute(statements.PUT_LANGUAGES, {"languages": languages})
        await connection.execute(
            statements.PUT_KEYWORDS,
            {
                "tokens_version": TOKENS_VERSION,
                "keyword": [each.keyword for each in missing],
                "language": [each.language for each in missing],
                "text": [each.text for each in missing],
                "normalized": [normalize(each.text) for each in missing],
                "words": [vector(each.text, each.language or None) for each in missing],
            },
        )
    rows = sorted(
        ((video, each) for video in videos for each in video.occurrences),
        key=lambda row: (row[1].keyword, row[0].video),
    )
    await connection.execute(
        statements.PUT_OCCURRENCES,
        {
            "video": [video.video for video, _ in rows],
            "keyword": [each.keyword for _, each in rows],
            "created": [video.created for video, _ in rows],
            "weight": [each.weight for _, each in rows],
            "milliseconds": [each.milliseconds for _, each in rows],
            "confidence": [each.confidence for _, each in rows],
            "ranges": [_numbers(each.ranges) for _, each in rows],
            "parts": [None if each.parts is None else _numbers(each.parts) for _, each in rows],
        },
    )


async def _delete_vanished(connection: "AsyncConnection", videos: Sequence[ArchivedVideo]) -> int:
    """Delete the occurrences that videos have no more; return how many keywords that concerns."""
    if not videos:
        return 0
    pairs = [(video.video, each.keyword) for video in videos for each in video.occurrences]
    deleted = await connection.execute(
        statements.DELETE_VANISHED,
        {
            "videos": [video.video for video in videos],
            "video": [video for video, _ in pairs],
            "keyword": [keyword for _, keyword in pairs],
        },
    )
    row = await deleted.fetchone()
    return int(row[0]) if row else 0


def _video_columns(videos: Sequence[ArchivedVideo]) -> dict[str, Any]:
    return {
        "tokens_version": TOKENS_VERSION,
        **{
            name: [getattr(video, name) for video in videos]
            for name in (
                *("video", "account_id", "video_id", "version", "content_hash", "extracted_at", "created"),
                *("created_known", "removed", "state", "name", "external_id", "language", "seconds", "cut"),
            )
        },
        "metadata": [msgspec.json.encode(video.metadata).decode() for video in videos],
        "sources": [None if video.sources is None else _texts(video.sources) for video in videos],
    }


def _numbers(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


def _texts(texts: Sequence[str]) -> str:
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return f"{{{','.join(quoted)}}}"

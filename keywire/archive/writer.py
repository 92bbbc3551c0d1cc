"""Writing to the archive: puts, erasures and collections, each in one transaction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from keywire.archive import parameters, schema, statements
from keywire.archive.archive import PutResult, StoredVersion
from keywire.archive.errors import is_conflict
from keywire.archive.moments import ArchivedVideo, video_key
from keywire.archive.tokens import TOKENS_VERSION, vector
from keywire.documents.text import normalize

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from keywire.archive.connection import Connections

# Texts that superseded versions left in the dictionary are collected when there are this many.
COLLECT_AT: Final = 1_000
_TRIES: Final = 3


class PostgresWriter:
    """Writes to the archive; brings the schema up to date before its first put.

    Args:
        connections: Connections that may write.
    """

    def __init__(self, connections: "Connections") -> None:
        self._writers = connections
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
            # Also if it is unchanged: the process may have ended before it collected.
            video.removed and results[video.video] != PutResult.SUPERSEDED
            for video in newest.values()
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

    async def versions(self, account_id: str, video_ids: Sequence[str]) -> Mapping[str, StoredVersion]:
        """Return what the archive has of videos, by video id."""
        async with self._writers.connection() as connection:
            found = await connection.execute(
                statements.STORED_VERSIONS,
                {"videos": [video_key(account_id, video_id) for video_id in video_ids]},
            )
            return {
                video_id: StoredVersion(version, content_hash, is_current=tokens_version >= TOKENS_VERSION)
                for video_id, version, content_hash, tokens_version in await found.fetchall()
            }

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


def _age(video: ArchivedVideo) -> tuple[object, ...]:
    return (video.version, video.extracted_at, video.content_hash)


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
            "ranges": [parameters.numbers(each.ranges) for _, each in rows],
            "parts": [None if each.parts is None else parameters.numbers(each.parts) for _, each in rows],
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
        "sources": [None if video.sources is None else parameters.texts(video.sources) for video in videos],
    }

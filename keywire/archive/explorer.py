"""What the archive knows of keywords: suggestions while typing, trends, and a keyword's life."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from keywire.archive import parameters, statements
from keywire.archive.archive import Companion, Filters, KeywordLife, Suggestion, Trend
from keywire.archive.reader import videos_of
from keywire.archive.text import storable
from keywire.archive.tokens import phrase
from keywire.documents.text import normalize
from keywire.interests.matching.words import words_of

if TYPE_CHECKING:
    from keywire.archive.connection import Connections

# Of what was typed so far, this many keywords are counted, each up to so many videos.
SUGGESTED: Final = 500
COUNTED: Final = 1_000
# Companions are counted in this many of a keyword's best videos.
SAMPLED_VIDEOS: Final = 500
TOP_VIDEOS: Final = 10
COMPANIONS: Final = 20
_LAST: Final = "\U0010ffff"


class PostgresExplorer:
    """Explores the archive's keywords.

    Args:
        connections: Connections that only read.
    """

    def __init__(self, connections: "Connections") -> None:
        self._explorers = connections

    async def suggest(self, text: str, *, limit: int = 10) -> Sequence[Suggestion]:
        """Return keywords that begin with what was typed, or have a word that does; the most frequent first."""
        typed = storable(normalize(text))
        words = words_of(text)
        if not typed or not words:
            return ()
        wanted = {
            "from": typed,
            "to": typed + _LAST,
            "query": phrase(words, (), prefix=True),
            "suggested": SUGGESTED,
            "counted": COUNTED,
            "limit": limit,
        }
        async with self._explorers.connection() as connection:
            found = await (await connection.execute(statements.SUGGEST, wanted)).fetchall()
        return tuple(Suggestion(text=suggested, videos=videos) for suggested, videos in found)

    async def trends(
        self, until: datetime, days: int, *, min_videos: int = 3, limit: int = 20
    ) -> Sequence[Trend]:
        """Return the keywords that rose most in the days before `until`, against as many days before them.

        Only videos count whose creation is known: a backfill is not a trend.
        """
        wanted: dict[str, Any] = {
            "since": until - timedelta(days=days),
            "before": until - timedelta(days=2 * days),
            "until": until,
            "min_videos": min_videos,
            "limit": limit,
        }
        async with self._explorers.connection() as connection:
            risen = await (await connection.execute(statements.TRENDS, wanted)).fetchall()
            wanted["normalized"] = [row[0] for row in risen]
            counted = await (await connection.execute(statements.TREND_DAYS, wanted)).fetchall()
        by_day: dict[str, dict[Any, int]] = {}
        for normalized, day, videos in counted:
            by_day.setdefault(normalized, {})[day] = videos
        return tuple(
            Trend(
                text=text,
                videos=videos,
                videos_before=videos_before,
                share=round(videos / max(1, total), 6),
                share_before=round(videos_before / max(1, total_before), 6),
                days=by_day.get(normalized, {}),
            )
            for normalized, text, videos, videos_before, total, total_before in risen
        )

    async def keyword(self, text: str) -> KeywordLife | None:
        """Return a keyword's life, in every spelling with the same normalized text; None if no video has it."""
        wanted: dict[str, Any] = {"normalized": storable(normalize(text))}
        async with self._explorers.connection() as connection:
            found = await (await connection.execute(statements.SPELLED_ALIKE, wanted)).fetchall()
            keys = [key for key, _ in found]
            wanted |= {"keywords": keys, "limit": TOP_VIDEOS, "sampled": SAMPLED_VIDEOS, "most": COMPANIONS}
            months = await (await connection.execute(statements.MONTHS, wanted)).fetchall()
            if not months:
                return None
            best = await (await connection.execute(statements.BEST_VIDEOS, wanted)).fetchall()
            companions = await (await connection.execute(statements.COMPANIONS, wanted)).fetchall()
            videos = await videos_of(
                connection, [row[0] for row in best], dict(best), _only(keys), all_moments=True
            )
        return KeywordLife(
            text=found[0][1],
            videos=sum(count for _, count in months),
            months=dict(months),
            best_videos=tuple(videos),
            companions=tuple(Companion(text=other, videos=count) for other, count in companions),
        )


def _only(keywords: Sequence[int]) -> Mapping[str, Any]:
    """Return the parameters of moments of these keywords."""
    return {
        **parameters.of_query(None, ()),
        **parameters.of_filters(Filters(), ()),
        "only": list(keywords),
    }

"""Suggestions, trends, and a keyword's life."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from keywire.archive.moments import ArchivedVideo, archived
from tests.support.archives import NOW, OwnArchive, document, sent


def created(video: ArchivedVideo, at: datetime, *, known: bool = True) -> ArchivedVideo:
    return replace(video, created=at, created_known=known)


async def test_suggests_what_continues_the_text_or_a_word_of_it_the_most_frequent_first(
    own: OwnArchive,
) -> None:
    await own.archive.put_many(
        [
            archived(document("a", "Film Festival", "film")),
            archived(document("b", "film festival", "Café")),
            archived(document("c", "world film", "filmography")),
            archived(document("d", sent("東京国際映画祭", "ja-JP"))),
        ]
    )
    await own.archive.put(archived(document("c", "world film", version=2)))
    suggested = [(each.text, each.videos) for each in await own.archive.suggest("fil")]
    assert suggested == [("Film Festival", 2), ("film", 1), ("world film", 1)]
    assert [each.text for each in await own.archive.suggest("film fes")] == ["Film Festival"]
    assert [each.text for each in await own.archive.suggest("cafe")] == ["Café"]
    assert [each.text for each in await own.archive.suggest("映画")] == ["東京国際映画祭"]
    assert [each.text for each in await own.archive.suggest("FIL", limit=1)] == ["Film Festival"]
    for nothing in ("", " ", "!", "zzz", "\0", "%", "'"):
        assert await own.archive.suggest(nothing) == (), nothing


async def test_trends_are_shares_of_a_period_and_no_backfill(own: OwnArchive) -> None:
    now = NOW
    videos = []
    for day in range(60):
        at = now - timedelta(days=day, hours=1)
        videos.append(created(archived(document(f"a{day}", "steady", *(["rising"] if day < 9 else []))), at))
    # Twice as many videos in the later period: a keyword of all of them did not rise.
    videos += [
        created(archived(document(f"b{day}", "steady")), now - timedelta(days=day, hours=2))
        for day in range(30)
    ]
    videos += [created(archived(document(f"c{n}", "backfilled")), now, known=False) for n in range(50)]
    videos += [created(archived(document(f"d{n}", "rare")), now - timedelta(hours=n + 1)) for n in range(2)]
    await own.archive.put_many(videos)
    trends = await own.archive.trends(now, 30)
    assert [each.text for each in trends] == ["rising"]
    (rising,) = trends
    assert (rising.videos, rising.videos_before) == (9, 0)
    assert rising.share == round(9 / 62, 6)
    assert sum(rising.days.values()) == 9
    assert rising.days[(now - timedelta(hours=1)).date()] == 1
    assert [each.text for each in await own.archive.trends(now, 30, min_videos=2)] == ["rising", "rare"]
    assert await own.archive.trends(now - timedelta(days=3650), 30) == ()


async def test_a_keywords_life_has_every_spelling_of_it(own: OwnArchive) -> None:
    march, april = datetime.fromisoformat("2026-03-31T23:59:00Z"), datetime.fromisoformat("2026-04-01T00:00Z")
    await own.archive.put_many(
        [
            created(archived(document("a", sent("Café", seconds=50), "Paris")), march),
            created(archived(document("b", sent("cafe", "fr-FR"), "Paris", "Lyon")), april),
            created(archived(document("c", "cafes", "Rome")), april),
        ]
    )
    life = await own.archive.keyword("CAFE")
    assert life is not None
    assert life.videos == 2
    assert life.months == {date(2026, 3, 1): 1, date(2026, 4, 1): 1}
    assert [video.video_id for video in life.best_videos] == ["a", "b"]
    assert [moment.text for video in life.best_videos for moment in video.moments] == ["Café", "cafe"]
    assert [(each.text, each.videos) for each in life.companions] == [("Paris", 2), ("Lyon", 1)]
    assert await own.archive.keyword("nothing") is None


async def test_tells_which_versions_it_has(own: OwnArchive) -> None:
    stored = document("a", "film", version=3)
    await own.archive.put(archived(stored))
    versions = await own.archive.versions(stored.account_id, ["a", "unknown"])
    assert {video: (each.version, each.is_current) for video, each in versions.items()} == {"a": (3, True)}
    assert versions["a"].content_hash == stored.content_hash

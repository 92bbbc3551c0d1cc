"""Putting: any order, repeats, removals and concurrent writers give what a fresh rebuild gives."""

import asyncio
import os
import random
from typing import Any

import msgspec
import pytest

from emulators.framework.certificates import Certificates
from emulators.postgres import Postgres
from keywire.archive.archive import Filters, PutResult
from keywire.archive.connection import Connections
from keywire.archive.moments import MAX_KEYWORDS, MAX_TEXT, ArchivedVideo, archived
from keywire.archive.query import parse
from keywire.archive.writer import PostgresWriter
from keywire.video_indexer.errors import TransientError
from tests.support.archive_texts import WORDS, text_of
from tests.support.archives import Identity, OwnArchive, document, own_archive, sent
from tests.support.builders import ACCOUNT_ID

NIGHTLY = os.environ.get("KEYWIRE_FUZZ") == "nightly"
WRITERS = 8
VIDEOS, VERSIONS = (200, 6) if NIGHTLY else (40, 5)

STORED = {
    "video": "select to_jsonb(v) - 'taken' from archive.video v order by video",
    "keyword": "select to_jsonb(k) from archive.keyword k order by keyword",
    "occurrence": "select to_jsonb(o) from archive.occurrence o order by keyword, video",
}


async def contents(own: OwnArchive) -> dict[str, list[tuple[Any, ...]]]:
    """What is stored, but for when the archive took it."""
    return {table: await own.rows(statement) for table, statement in STORED.items()}


def versions(random_: random.Random) -> list[ArchivedVideo]:
    """Several versions of each video; a third of the videos ends removed, some come back."""
    made = []
    for video in range(VIDEOS):
        for version in range(1, VERSIONS + 1):
            removed = random_.random() < 0.3
            languages = random_.choices(list(WORDS), k=random_.randrange(8))
            keywords = [
                sent(text_of(random_, each), each, seconds=random_.random() * 9) for each in languages
            ]
            made.append(
                archived(
                    document(f"v{video}", *([] if removed else keywords), version=version, state="Removed")
                    if removed
                    else document(f"v{video}", *keywords, version=version)
                )
            )
    return made


async def test_the_same_version_changes_nothing_and_an_older_one_never_wins(own: OwnArchive) -> None:
    old, new = document("a", "film"), document("a", "wind", version=2)
    assert await own.archive.put(archived(new)) == PutResult.STORED
    stored = await contents(own)
    assert await own.archive.put(archived(new)) == PutResult.UNCHANGED
    assert await own.archive.put(archived(old)) == PutResult.SUPERSEDED
    assert await contents(own) == stored


async def test_one_batch_may_have_a_video_twice(own: OwnArchive) -> None:
    old, new = archived(document("a", "film")), archived(document("a", "wind", version=2))
    assert await own.archive.put_many([new, old]) == [PutResult.STORED, PutResult.SUPERSEDED]


@pytest.mark.parametrize("seed", [random.randrange(2**32)] if NIGHTLY else [1])
async def test_eight_writers_in_any_order_with_repeats_and_removals_equal_a_rebuild(
    own: OwnArchive, postgres: Postgres, issued: Certificates, seed: int
) -> None:
    random_ = random.Random(seed)
    made = versions(random_)

    async def write(number: int) -> None:
        mine = random.Random(seed + number)
        order = mine.sample(made, k=len(made)) + mine.sample(made, k=len(made) // 4)
        connections = Connections(own.server, Identity(), max_connections=1)
        archive = PostgresWriter(connections)
        while order:
            batch = [order.pop() for _ in range(min(len(order), mine.choice((1, 1, 1, 5))))]
            await archive.put_many(batch)
        await connections.close()

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    await own.archive.collect()
    async with own_archive(postgres, issued) as fresh:
        newest = {each.video: each for each in made}  # versions ascend
        await fresh.archive.put_many(random_.sample(list(newest.values()), k=len(newest)))
        assert await contents(own) == await contents(fresh)
    assert await own.rows("select count(*) from archive.vanished") == [(0,)]


async def test_a_removed_video_leaves_its_version_and_hash_and_none_of_its_text(own: OwnArchive) -> None:
    await own.archive.put(archived(document("a", "secret one", "shared", version=1, name="secret name")))
    await own.archive.put(
        archived(document("a", "secret two", version=2, external_id="secret id", metadata='{"k": "secret"}'))
    )
    await own.archive.put(archived(document("b", "shared")))
    tombstone = document("a", version=3, state="Removed", name=None)
    assert await own.archive.put(archived(tombstone)) == PutResult.STORED
    everything = str(await contents(own)) + str(await own.rows("select * from archive.vanished"))
    assert "secret" not in everything
    assert "shared" in everything
    kept = await own.rows("select version, content_hash, removed from archive.video where video_id = 'a'")
    assert kept == [(3, tombstone.content_hash, True)]
    # A stale job does not bring it back.
    assert await own.archive.put(archived(document("a", "secret two", version=2))) == PutResult.SUPERSEDED
    page = await own.archive.search(parse("secret"), Filters())
    assert page.videos == ()


async def test_an_erased_video_leaves_none_of_its_text(own: OwnArchive) -> None:
    await own.archive.put(archived(document("a", "secret", name="secret name")))
    assert await own.archive.erase(ACCOUNT_ID, "a")
    assert not await own.archive.erase(ACCOUNT_ID, "unknown")
    assert "secret" not in str(await contents(own))


async def test_a_newer_tokens_version_puts_the_same_version_again(own: OwnArchive) -> None:
    video = archived(document("a", "film"))
    await own.archive.put(video)
    stored = await contents(own)
    await own.rows("update archive.video set tokens_version = 0 returning video")
    await own.rows("update archive.keyword set tokens_version = 0, words = '' returning keyword")
    assert await own.archive.put(video) == PutResult.STORED
    assert await contents(own) == stored


async def test_migrations_of_several_instances_at_once_are_applied_once(
    postgres: Postgres, issued: Certificates
) -> None:
    async with own_archive(postgres, issued, migrate=False) as own:
        connections = [Connections(own.server, Identity()) for _ in range(4)]
        applied = await asyncio.gather(*(PostgresWriter(each).migrate() for each in connections))
        await asyncio.gather(*(each.close() for each in connections))
        assert sorted(applied) == [0, 0, 0, 1]


HOSTILE = {
    "NUL": "nul\0byte",
    "half a surrogate": "half \ud83d surrogate",
    "quotes": "quotes ' \\ \" $$ {} %s :* <-> & | !",
    "comment": "'; drop schema archive cascade; --",
    "five megabytes": "wide " * 1_000_000,
    "a word of five megabytes": "w" * 5_000_000,
    "wide letters": "\U0002f81a" * 600,
    "nothing to search": "!!!",
    "expanding letters": "\ufdfa" * 499,
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_text_is_stored_and_the_video_is_found(own: OwnArchive, kind: str) -> None:
    text = HOSTILE[kind]
    safe = document("a", "text", "film")
    hostile = msgspec.structs.replace(
        safe,
        name=text,
        external_id=text[:200],
        keywords=(safe.keywords[0] | {"text": text}, safe.keywords[1]),
    )
    video = archived(hostile)
    assert await own.archive.put(video) == PutResult.STORED
    assert (video.cut > 0) == (len(text) > MAX_TEXT)
    page = await own.archive.search(parse("film"), Filters())
    assert [each.video_id for each in page.videos] == ["a"]
    stored = await own.archive.moments(ACCOUNT_ID, "a")
    assert stored is not None
    assert len(stored.moments) == 2


async def test_a_document_of_sixty_thousand_keywords_keeps_the_best(own: OwnArchive) -> None:
    weak = [sent(f"weak{number}", confidence=0.5) for number in range(59_999)]
    video = archived(document("a", *weak, sent("strong", confidence=1.0)))
    assert await own.archive.put(video) == PutResult.STORED
    assert video.cut == 60_000 - MAX_KEYWORDS
    page = await own.archive.search(parse("strong"), Filters())
    assert page.total == 1


async def test_times_beyond_a_day_are_kept_and_beyond_an_integer_cut(own: OwnArchive) -> None:
    day, year = 24 * 3600.0, 365 * 24 * 3600.0
    video = archived(document("a", sent("film", seconds=2 * day), sent("wind", seconds=year)))
    await own.archive.put(video)
    assert video.cut == 1
    stored = await own.archive.moments(ACCOUNT_ID, "a")
    assert stored is not None
    assert {each.text: each.ranges for each in stored.moments} == {
        "film": ((1.0, 1.0 + 2 * day),),
        "wind": (),
    }


async def test_connections_that_are_cut_lose_nothing(own: OwnArchive, postgres: Postgres) -> None:
    """A writer that repeats a failed put has everything stored in the end."""
    made = versions(random.Random(3))
    assert postgres.front is not None
    done = asyncio.Event()

    async def cut() -> int:
        cuts = 0
        while not done.is_set():
            await asyncio.sleep(0.03)
            assert postgres.front is not None
            cuts += await postgres.front.cut_connections()
        return cuts

    cutting = asyncio.create_task(cut())
    failures = 0
    for video in made:
        while True:
            try:
                await own.archive.put(video)
                break
            except TransientError:
                failures += 1
    done.set()
    assert await cutting
    await own.archive.collect()
    expected = {each.video: each for each in made}
    stored = await own.rows("select video, version from archive.video")
    assert dict(stored) == {video: each.version for video, each in expected.items()}


async def test_two_parts_of_a_project_with_the_same_keyword_are_one_occurrence(own: OwnArchive) -> None:
    stored = document("p", sent("film"), sent("film", seconds=2))
    keywords = tuple(
        each | {"videoId": part} for each, part in zip(stored.keywords, ("part1", "part2"), strict=True)
    )
    await own.archive.put(archived(msgspec.structs.replace(stored, keywords=keywords)))
    page = await own.archive.search(parse("film"), Filters())
    (moment,) = page.videos[0].moments
    assert moment.source_videos == ("part1", "part2")
    assert moment.total_seconds == 12.0

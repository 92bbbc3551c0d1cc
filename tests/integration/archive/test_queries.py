"""Queries of every kind, with filters, orders and pages, against the rules spelled out in memory."""

import os
import random

import pytest

from keywire.archive.archive import Filters, Order
from keywire.archive.cursor import InvalidCursorError
from keywire.archive.moments import archived, score_of_weight
from keywire.archive.query import QuerySyntaxError, parse
from tests.support.archive_texts import documents, filters_of, query_of
from tests.support.archives import OwnArchive, document, sent
from tests.support.reference_archive import ReferenceArchive

NIGHTLY = os.environ.get("KEYWIRE_FUZZ") == "nightly"
DOCUMENTS, QUERIES = (400, 2000) if NIGHTLY else (150, 200)


async def everything(
    own: OwnArchive, text: str | None, filters: Filters, order: Order, limit: int
) -> list[tuple[str, float | None]]:
    """All pages of a search; each says the same total."""
    query = None if text is None else parse(text)
    found: list[tuple[str, float | None]] = []
    cursor = None
    totals = set()
    while True:
        page = await own.archive.search(query, filters, order=order, limit=limit, cursor=cursor)
        found += [(video.video_id, video.score) for video in page.videos]
        totals.add(page.total)
        cursor = page.cursor
        if cursor is None:
            assert totals in ({len(found)}, {0})
            return found


@pytest.mark.parametrize("seed", [random.randrange(2**32)] if NIGHTLY else [1, 2])
async def test_a_search_finds_what_the_rules_say_in_their_order(own: OwnArchive, seed: int) -> None:
    random_ = random.Random(seed)
    reference = ReferenceArchive()
    videos = [archived(each) for each in documents(random_, DOCUMENTS)]
    await own.archive.put_many(videos)
    for video in videos:
        reference.put(video)
    found_something = 0
    for _ in range(QUERIES):
        text = query_of(random_) if random_.random() < 0.95 else None
        filters, order, limit = filters_of(random_), random_.choice(list(Order)), random_.choice((3, 20, 100))
        try:
            expected = reference.search(None if text is None else parse(text), filters, order)
        except QuerySyntaxError:
            continue
        scores = [
            (video_id, None if text is None else score_of_weight(weight)) for video_id, weight in expected
        ]
        assert await everything(own, text, filters, order, limit) == scores, (text, filters, order)
        found_something += bool(expected)
    assert found_something > QUERIES / 5


async def test_a_page_stays_where_it_was_when_rows_change(own: OwnArchive) -> None:
    await own.archive.put_many([archived(document(f"v{number}", "film")) for number in range(9)])
    query = parse("film")
    first = await own.archive.search(query, Filters(), limit=4)
    gone = first.videos[1].video_id
    await own.archive.put(archived(document(gone, version=2, state="Removed")))
    second = await own.archive.search(query, Filters(), limit=4, cursor=first.cursor)
    third = await own.archive.search(query, Filters(), limit=4, cursor=second.cursor)
    seen = [video.video_id for page in (first, second, third) for video in page.videos]
    assert sorted(seen) == [f"v{number}" for number in range(9)]
    assert third.cursor is None


async def test_a_cursor_of_another_search_is_refused(own: OwnArchive) -> None:
    await own.archive.put_many([archived(document(f"v{number}", "film", "wind")) for number in range(3)])
    page = await own.archive.search(parse("film"), Filters(), limit=1)
    with pytest.raises(InvalidCursorError, match="another query"):
        await own.archive.search(parse("wind"), Filters(), limit=1, cursor=page.cursor)
    with pytest.raises(InvalidCursorError, match="not a cursor"):
        await own.archive.search(parse("film"), Filters(), limit=1, cursor="%%%")


async def test_the_strongest_occurrences_decide_alone_when_there_are_enough(own: OwnArchive) -> None:
    """More videos than the total's bound: the first pages come from the partial indexes."""
    reference = ReferenceArchive()
    videos = [
        archived(
            document(
                f"v{number:05}",
                sent("film", confidence=0.7 + 0.3 * (number % 97) / 97, seconds=float(number % 89 * 10)),
                sent("film festival", confidence=0.6 + 0.4 * (number % 83) / 83, seconds=float(number % 71)),
            )
        )
        for number in range(4000)
    ]
    await own.archive.put_many(videos)
    for video in videos:
        reference.put(video)
    expected = [video_id for video_id, _ in reference.search(parse("film"), Filters())]
    found: list[str] = []
    cursor: str | None = None
    while cursor or not found:
        page = await own.archive.search(parse("film"), Filters(), limit=100, cursor=cursor)
        assert (page.total, page.total_is_bound) == (1000, True)
        found += [video.video_id for video in page.videos]
        cursor = page.cursor
    assert found == expected

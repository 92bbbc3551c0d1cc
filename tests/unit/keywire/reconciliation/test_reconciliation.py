"""The decisions of reconciliation: which videos to queue, the next page, and which sweeps are due."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from keywire.reconciliation.comparison import DocumentStatus, Reason, compare, microseconds
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import MAX_PAGES, OVERLAP, Cursor
from keywire.reconciliation.state import (
    FULL_EVERY,
    Progress,
    Result,
    State,
    with_due_sweeps,
    with_progress,
    with_result,
)
from keywire.reconciliation.state import OVERLAP as WINDOW_OVERLAP
from keywire.video_indexer.listing import ListedVideo, ListPage

NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def video(video_id: str = "abc", *, state: str = "Processed", last_indexed: Any = NOW) -> ListedVideo:
    return ListedVideo(id=video_id, state=state, created=NOW, last_indexed=last_indexed)


def status(*, published: bool = True, as_of: datetime = NOW) -> DocumentStatus:
    return DocumentStatus(published=published, as_of=microseconds(as_of), written=0.0)


@pytest.mark.parametrize("state", ["Processed", "Failed", "Quarantined"])
@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (None, Reason.MISSING),
        (status(published=False), Reason.UNPUBLISHED),
        (status(as_of=NOW - timedelta(microseconds=1)), Reason.OUTDATED),
        (status(), None),
        (status(as_of=NOW + SECOND), None),
    ],
)
def test_an_indexed_video_is_queued_if_its_document_is_missing_unpublished_or_outdated(
    state: str, known: DocumentStatus | None, reason: Reason | None
) -> None:
    found = compare([video(state=state)], {"abc": known} if known else {})
    assert [finding.reason for finding in found] == ([reason] if reason else [])
    assert all(finding.as_of == NOW for finding in found)


@pytest.mark.parametrize("state", ["Uploaded", "Processing", "", "Somewhere"])
def test_a_video_that_is_being_indexed_is_not_queued(state: str) -> None:
    assert compare([video(state=state)], {}) == []


def test_a_video_without_an_indexing_time_is_queued_without_a_moment() -> None:
    (finding,) = compare([video(last_indexed=None)], {})
    assert (finding.reason, finding.as_of) == (Reason.MISSING, None)
    assert compare([video(last_indexed=None)], {"abc": status()}) == []


class Service:
    """A list of videos, newest first, that changes while a sweep pages through it."""

    def __init__(self, videos: int, page_size: int) -> None:
        self.ids = [f"v{number:05}" for number in range(videos)]
        self.page_size = page_size

    def page(self, skip: int) -> ListPage:
        end = skip + self.page_size
        return ListPage(
            videos=tuple(video(video_id) for video_id in self.ids[skip:end]),
            unreadable=0,
            next_skip=end if end < len(self.ids) else None,
        )


def page_through(service: Service, change: Any = lambda _: None) -> tuple[list[str], int]:
    """Return the videos that a sweep saw, and its number of pages."""
    cursor: Cursor | None = Cursor()
    seen: list[str] = []
    pages = 0
    while cursor is not None:
        page = service.page(cursor.skip)
        seen += [listed.id for listed in cursor.new(page)]
        cursor = cursor.after(page)
        pages += 1
        assert pages < 1000
        change(pages)
    return seen, pages


@pytest.mark.parametrize("page_size", [1, 2, 3, 25, 100, 1000])
@pytest.mark.parametrize("videos", [0, 1, 2, 99, 100, 101, 500])
def test_an_unchanged_list_is_seen_once(videos: int, page_size: int) -> None:
    service = Service(videos, page_size)
    seen, pages = page_through(service)
    assert seen == service.ids
    assert pages <= max(1, 2 * videos // page_size + 1)


@pytest.mark.parametrize("removed", [1, OVERLAP - 1, OVERLAP, OVERLAP + 1, 150, 400])
def test_no_video_is_missed_if_others_are_removed_meanwhile(removed: int) -> None:
    service = Service(1000, 100)

    def remove(pages: int) -> None:
        if pages == 5:
            del service.ids[:removed]

    seen, _ = page_through(service, remove)
    assert set(service.ids) <= set(seen)


def test_no_video_is_missed_if_the_list_shrinks_below_the_cursor() -> None:
    service = Service(1000, 100)

    def shrink(pages: int) -> None:
        if pages == 5:
            service.ids = service.ids[450:700]

    seen, _ = page_through(service, shrink)
    assert set(service.ids) <= set(seen)


def test_new_videos_hide_no_others_and_do_not_prevent_the_end() -> None:
    service = Service(1000, 100)
    before = set(service.ids)

    def add(pages: int) -> None:
        service.ids[:0] = [f"new{pages}-{number}" for number in range(50)]

    seen, pages = page_through(service, add)
    assert before <= set(seen)
    assert pages < 40


@pytest.mark.parametrize("seed", range(20))
def test_every_video_that_stays_is_seen_under_random_changes(seed: int) -> None:
    randomness = random.Random(seed)
    service = Service(2000, 100)

    def change(pages: int) -> None:
        for _ in range(randomness.randrange(60)):
            del service.ids[randomness.randrange(len(service.ids))]
        service.ids[:0] = [f"new{pages}-{number}" for number in range(randomness.randrange(60))]

    before = set(service.ids)
    seen, _ = page_through(service, change)
    assert before & set(service.ids) <= set(seen)


def test_paging_ends_if_a_tail_is_never_seen_again() -> None:
    service = Service(1000, 100)

    def replace_all(pages: int) -> None:
        service.ids = [f"n{pages}-{number}" for number in range(1000)]

    _, pages = page_through(service, replace_all)
    assert pages < 200


def test_paging_ends_after_the_maximum_number_of_pages() -> None:
    service = Service(1000, 100)
    assert Cursor(pages=MAX_PAGES - 2).after(service.page(0)) is not None
    assert Cursor(pages=MAX_PAGES - 1).after(service.page(0)) is None


def result(progress: Progress) -> Result:
    return Result.of(progress, ended=NOW)


def after(state: State, started: datetime, *, full: bool = False) -> State:
    """Return the state after a run at `started` that completed its sweeps."""
    state = with_due_sweeps(state, started, full=full)
    for progress in (state.window, state.full):
        if progress is not None:
            state = with_result(state, progress, result(progress), run_at=started)
    return state


def test_the_first_sweep_is_full() -> None:
    state = with_due_sweeps(State(), NOW, full=False)
    assert state.window is None
    assert state.full == Progress(started=NOW)


def test_a_window_overlaps_with_the_sweep_before() -> None:
    state = with_due_sweeps(after(State(), NOW), NOW + 900 * SECOND, full=False)
    assert state.full is None
    assert state.window == Progress(started=NOW + 900 * SECOND, since=NOW - WINDOW_OVERLAP)


def test_a_full_sweep_is_due_a_day_after_the_last_one() -> None:
    state = after(State(), NOW)
    almost = after(state, NOW + FULL_EVERY - SECOND)
    assert almost.full_at == NOW
    assert almost.last is not None
    assert almost.last.sweep == "window"
    assert after(almost, NOW + FULL_EVERY).full_at == NOW + FULL_EVERY


def test_a_failed_full_sweep_continues_and_a_window_is_swept_meanwhile() -> None:
    broken = Progress(started=NOW, cursor=Cursor(skip=980, pages=1), pages=1)
    state = with_due_sweeps(
        with_progress(after(State(), NOW - SECOND), broken), NOW + 900 * SECOND, full=False
    )
    assert state.full == broken
    assert state.window is not None
    assert with_due_sweeps(with_progress(state, state.window), NOW + 1800 * SECOND, full=True).full == broken


def test_a_full_sweep_that_failed_for_a_day_starts_again() -> None:
    broken = Progress(started=NOW, cursor=Cursor(skip=980, pages=1), pages=1)
    state = with_due_sweeps(State(full=broken, watermark=NOW, full_at=NOW), NOW + FULL_EVERY, full=False)
    assert state.full == Progress(started=NOW + FULL_EVERY)


def test_the_watermark_never_goes_back() -> None:
    state = State(watermark=NOW, full_at=NOW - SECOND)
    slow = Progress(started=NOW - SECOND)
    assert with_result(state, slow, result(slow), run_at=NOW).watermark == NOW


def test_the_time_between_runs_is_measured_and_a_manual_run_changes_it_once() -> None:
    day = 86_400 * SECOND
    state = after(after(State(), NOW), NOW + day)
    assert state.run_every == 86_400
    by_hand = after(state, NOW + day + 60 * SECOND)
    assert by_hand.run_every == 43_200
    assert after(by_hand, NOW + 2 * day).run_every == 86_340


def test_the_state_is_read_as_it_was_written() -> None:
    state = with_due_sweeps(after(State(), NOW), NOW + 900 * SECOND, full=False)
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


def test_counts_add_up() -> None:
    both = Counts(listed=3, unreadable=1) + Counts.of([Reason.MISSING, Reason.MISSING, Reason.UNLISTED])
    assert both == Counts(listed=3, unreadable=1, missing=2, unlisted=1)
    assert both.found == 3

"""What time it is at Video Indexer, which moments of its own are compared with."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from keywire.video_indexer.service_time import CLOCK_DIFFERENCE, MARGIN, ServiceTime

NOW = datetime(2026, 3, 2, 9, 0, 0, 600_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def told(ours: datetime, theirs: datetime) -> ServiceTime:
    """After an answer that was written at `theirs` and arrived at `ours`."""
    time = ServiceTime(clock=ours.timestamp)
    time.note(format_datetime(theirs, usegmt=True))
    return time


def test_until_an_answer_told_the_clocks_may_differ_by_minutes() -> None:
    assert ServiceTime().passed_at(NOW) == NOW - CLOCK_DIFFERENCE


@pytest.mark.parametrize("ahead", [timedelta(0), -40 * SECOND, timedelta(minutes=20), timedelta(hours=-2)])
@pytest.mark.parametrize("on_its_way", [timedelta(0), 25 * SECOND])
@pytest.mark.parametrize("asked_before", [timedelta(0), 90 * SECOND])
def test_what_is_said_to_have_passed_had_passed(
    ahead: timedelta, on_its_way: timedelta, asked_before: timedelta
) -> None:
    """However the clocks differ, and however long the question waited and the answer took."""
    asked = NOW - on_its_way - asked_before
    time = told(NOW, NOW - on_its_way + ahead)
    true_time = asked + ahead
    assert true_time - MARGIN - on_its_way - SECOND < time.passed_at(asked) <= true_time - MARGIN


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Mar 2026 09:00:00 GMT"])
def test_an_answer_that_does_not_tell_leaves_what_is_known(date: str | None) -> None:
    time = told(NOW, NOW)
    before = time.passed_at(NOW)
    time.note(date)
    assert time.passed_at(NOW) == before


def test_a_date_without_an_offset_is_universal_time() -> None:
    time = ServiceTime(clock=NOW.timestamp)
    time.note("Mon, 02 Mar 2026 09:00:00 -0000")
    assert time.passed_at(NOW) == NOW.replace(microsecond=0) - MARGIN


def test_a_clock_that_is_set_right_is_followed() -> None:
    moments = [NOW, NOW + timedelta(hours=1)]
    time = ServiceTime(clock=lambda: moments.pop(0).timestamp())
    for _ in range(2):
        time.note(format_datetime(NOW, usegmt=True))
    assert time.passed_at(NOW + timedelta(hours=1)) <= NOW

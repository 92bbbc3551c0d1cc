"""Video Indexer's clock: a converted moment is never later than the true one."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from keywire.video_indexer.service_time import CLOCK_DIFFERENCE, MARGIN, ServiceTime

NOW = datetime(2026, 3, 2, 9, 0, 0, 600_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def observed(ours: datetime, theirs: datetime) -> ServiceTime:
    """Return a clock that observed an answer written at `theirs`, which arrived at `ours`."""
    time = ServiceTime(clock=ours.timestamp)
    time.observe(format_datetime(theirs, usegmt=True))
    return time


def test_without_an_answer_the_clocks_may_differ_by_minutes() -> None:
    assert ServiceTime().passed_at(NOW) == NOW - CLOCK_DIFFERENCE


@pytest.mark.parametrize("ahead", [timedelta(0), -40 * SECOND, timedelta(minutes=20), timedelta(hours=-2)])
@pytest.mark.parametrize("on_its_way", [timedelta(0), 25 * SECOND])
@pytest.mark.parametrize("asked_before", [timedelta(0), 90 * SECOND])
def test_a_converted_moment_has_passed_on_the_services_clock(
    ahead: timedelta, on_its_way: timedelta, asked_before: timedelta
) -> None:
    """For any difference of the clocks, any wait before the request and any time that the answer takes."""
    asked = NOW - on_its_way - asked_before
    time = observed(NOW, NOW - on_its_way + ahead)
    true_time = asked + ahead
    assert true_time - MARGIN - on_its_way - SECOND < time.passed_at(asked) <= true_time - MARGIN


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Mar 2026 09:00:00 GMT"])
def test_an_unreadable_date_changes_nothing(date: str | None) -> None:
    time = observed(NOW, NOW)
    before = time.passed_at(NOW)
    time.observe(date)
    assert time.passed_at(NOW) == before


def test_a_date_without_an_offset_is_utc() -> None:
    time = ServiceTime(clock=NOW.timestamp)
    time.observe("Mon, 02 Mar 2026 09:00:00 -0000")
    assert time.passed_at(NOW) == NOW.replace(microsecond=0) - MARGIN


def test_the_newest_date_replaces_older_ones() -> None:
    moments = [NOW, NOW + timedelta(hours=1)]
    time = ServiceTime(clock=lambda: moments.pop(0).timestamp())
    for _ in range(2):
        time.observe(format_datetime(NOW, usegmt=True))
    assert time.passed_at(NOW + timedelta(hours=1)) <= NOW

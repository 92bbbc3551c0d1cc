"""When a timer is due."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from emulators.functions_host.errors import HostStartError
from emulators.functions_host.schedule import Schedule

SUNDAY = datetime(2026, 11, 22, 10, 59, 59, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("* * * * * *", datetime(2026, 11, 22, 11, 0, 0, tzinfo=UTC)),
        ("*/15 * * * * *", datetime(2026, 11, 22, 11, 0, 0, tzinfo=UTC)),
        ("30 */5 * * * *", datetime(2026, 11, 22, 11, 0, 30, tzinfo=UTC)),
        ("0 30 9-17 * * *", datetime(2026, 11, 22, 11, 30, tzinfo=UTC)),
        ("0 0 0 * * 1", datetime(2026, 11, 23, tzinfo=UTC)),
        ("0 0 0 1 jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 5 * * *", datetime(2026, 11, 23, 5, 0, tzinfo=UTC)),
    ],
)
def test_the_first_of_six_fields_is_the_seconds(expression: str, due: datetime) -> None:
    assert Schedule.parse(expression).after(SUNDAY) == due


def test_the_time_it_is_due_is_strictly_later() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert Schedule.parse("0 0 12 * * *").after(noon) == noon + timedelta(days=1)


def test_day_of_month_and_day_of_week_must_both_match() -> None:
    assert Schedule.parse("0 0 0 13 * FRI").after(SUNDAY) == datetime(2027, 8, 13, tzinfo=UTC)


def test_times_are_in_utc() -> None:
    evening = datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=2)))
    assert Schedule.parse("0 0 * * * *").after(evening) == datetime(2026, 11, 22, 22, tzinfo=UTC)


def test_the_interval_is_that_between_the_next_two_times() -> None:
    assert Schedule.parse("0 */5 * * * *").interval(SUNDAY) == timedelta(minutes=5)


@pytest.mark.parametrize("expression", ["", "soon", "61 * * * * *", "00:05:00"])
def test_what_is_not_a_schedule_stops_the_start(expression: str) -> None:
    with pytest.raises(HostStartError, match="NCRONTAB"):
        Schedule.parse(expression)

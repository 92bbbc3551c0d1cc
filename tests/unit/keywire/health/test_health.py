"""Health checks: what is ok, a warning, or failed."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from keywire.health import checks
from keywire.health.checks import Check, Status
from keywire.health.probe import ProbeResult
from keywire.health.queue_depths import Depth
from keywire.interests.status import InterestStatus
from keywire.reconciliation.state import Failure, Progress, Result, State
from keywire.storage.layout import ALL_QUEUES
from keywire.video_indexer.quota_ledger import Ledger

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def depths(**changed: Depth) -> dict[str, Depth]:
    found = dict.fromkeys(ALL_QUEUES, Depth(messages=0, oldest_seconds=None))
    return found | {name.replace("_", "-"): depth for name, depth in changed.items()}


def swept(ago: timedelta) -> Result:
    return Result.of(Progress(started=NOW - ago), ended=NOW - ago)


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ([Status.OK, Status.OK], Status.OK, 200),
        ([Status.WARNING, Status.OK], Status.WARNING, 200),
        ([Status.OK, Status.FAILED, Status.WARNING], Status.FAILED, 503),
    ],
)
def test_the_status_of_a_report_is_its_worst_check(given: list[Status], status: Status, code: int) -> None:
    results = {f"check {number}": Check(status=each) for number, each in enumerate(given)}
    report = checks.report(results, NOW)
    assert (report.status, report.http_status) == (status, code)


@pytest.mark.parametrize(("seconds", "status"), [(1799, Status.OK), (1801, Status.FAILED), (None, Status.OK)])
def test_a_job_that_waits_for_too_long_fails_the_check(seconds: float | None, status: Status) -> None:
    check = checks.check_queues(depths(extraction=Depth(messages=7, oldest_seconds=seconds)))
    assert check.status is status
    assert check.details["extraction"].messages == 7
    assert not any("poison" in name for name in check.details)


def test_a_backfill_may_wait() -> None:
    check = checks.check_queues(depths(backfill=Depth(messages=9000, oldest_seconds=86400)))
    assert check.status is Status.OK


def test_a_poison_message_is_a_warning_that_names_the_queue() -> None:
    assert checks.check_poison(depths()).status is Status.OK
    check = checks.check_poison(depths(rematch_poison=Depth(messages=1, oldest_seconds=5)))
    assert check.status is Status.WARNING
    assert check.problem == "poison queues with messages to replay or delete: rematch-poison"


def test_a_failed_probe_fails_the_check_with_its_problem() -> None:
    check = checks.check_video_indexer(ProbeResult(at=NOW, problem="grant this"))
    assert (check.status, check.problem) == (Status.FAILED, "grant this")
    assert checks.check_video_indexer(ProbeResult(at=NOW, problem=None)).status is Status.OK


@pytest.mark.parametrize(
    ("problem", "etag", "status"),
    [(None, "1", Status.OK), ("not JSON", "1", Status.WARNING), ("not JSON", "2", Status.OK)],
)
def test_an_invalid_interests_file_is_a_warning_until_it_changes(
    problem: str | None, etag: str, status: Status
) -> None:
    last_read = InterestStatus(etag="1", interests=3, problem=problem, read_at=NOW)
    check = checks.check_interests(last_read, etag)
    assert check.status is status
    assert (problem or "") in (check.problem or problem or "")
    assert ("changed" in check.details.get("note", "")) == (etag == "2")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (None, Status.WARNING),
        (State(), Status.WARNING),
        (State(last=swept(timedelta(minutes=5))), Status.OK),
        (
            State(last=swept(timedelta(minutes=59)), failure=Failure(at=NOW, error="503")),
            Status.WARNING,
        ),
        (State(last=swept(timedelta(minutes=61)), failure=Failure(at=NOW, error="503")), Status.FAILED),
        (State(failure=Failure(at=NOW, error="503")), Status.FAILED),
        (State(last=swept(timedelta(minutes=61))), Status.FAILED),
        (State(last=swept(timedelta(hours=90)), run_every=86_400), Status.OK),
        (State(last=swept(timedelta(hours=97)), run_every=86_400), Status.FAILED),
    ],
)
def test_reconciliation_fails_after_an_hour_or_four_runs_without_a_sweep(
    state: State | None, status: Status
) -> None:
    check = checks.check_reconciliation(state, NOW)
    assert check.status is status
    assert (check.problem is None) == (status is Status.OK)


def test_the_last_callback_and_the_quota_are_reported_and_always_ok() -> None:
    check = checks.check_callbacks(NOW - timedelta(minutes=2), NOW)
    assert check.details == {"last": NOW - timedelta(minutes=2), "secondsAgo": 120}
    now = NOW.timestamp()
    check = checks.check_quota(Ledger(slots=(now - 70, now - 50, now - 1), blocked_until=now + 9), NOW)
    assert check.details["usedLastMinute"] == 2
    assert check.details["blockedUntil"] == NOW + timedelta(seconds=9)


def test_a_report_as_json() -> None:
    results = {
        "queues": checks.check_queues(depths()),
        "reconciliation": checks.check_reconciliation(State(last=swept(timedelta())), NOW),
    }
    found = msgspec.to_builtins(checks.report(results, NOW))
    assert found["checks"]["queues"] == {
        "status": "ok",
        "details": {
            name: {"messages": 0, "oldestSeconds": None, "oldestJobSeconds": None}
            for name in ALL_QUEUES
            if "poison" not in name
        },
    }
    assert found["checks"]["reconciliation"]["details"]["last"]["sweep"] == "full"

"""What is good, what asks for a look, and what keeps videos from getting through."""

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
def test_the_whole_is_as_its_worst_part(given: list[Status], status: Status, code: int) -> None:
    looked_at = {f"check {number}": Check(status=each) for number, each in enumerate(given)}
    report = checks.report(looked_at, NOW)
    assert (report.status, report.http_status) == (status, code)


@pytest.mark.parametrize(("seconds", "status"), [(1799, Status.OK), (1801, Status.FAILED), (None, Status.OK)])
def test_a_job_that_waits_for_too_long_is_a_failure(seconds: float | None, status: Status) -> None:
    check = checks.judge_queues(depths(extraction=Depth(messages=7, oldest_seconds=seconds)))
    assert check.status is status
    assert check.details["extraction"].messages == 7
    assert not any("poison" in name for name in check.details)


def test_nobody_waits_for_a_backfill() -> None:
    check = checks.judge_queues(depths(backfill=Depth(messages=9000, oldest_seconds=86400)))
    assert check.status is Status.OK


def test_poison_asks_for_a_look_and_names_the_queue() -> None:
    assert checks.judge_poison(depths()).status is Status.OK
    check = checks.judge_poison(depths(rematch_poison=Depth(messages=1, oldest_seconds=5)))
    assert check.status is Status.WARNING
    assert check.problem == "given up, to be looked at: rematch-poison"


def test_who_cannot_ask_video_indexer_is_told_what_helps() -> None:
    check = checks.judge_video_indexer(ProbeResult(at=NOW, problem="grant this"))
    assert (check.status, check.problem) == (Status.FAILED, "grant this")
    assert checks.judge_video_indexer(ProbeResult(at=NOW, problem=None)).status is Status.OK


@pytest.mark.parametrize(
    ("problem", "etag", "status"),
    [(None, "1", Status.OK), ("no JSON", "1", Status.WARNING), ("no JSON", "2", Status.OK)],
)
def test_a_broken_file_of_interests_asks_for_a_look_until_it_changes(
    problem: str | None, etag: str, status: Status
) -> None:
    seen = InterestStatus(etag="1", interests=3, problem=problem, read_at=NOW)
    check = checks.judge_interests(seen, etag)
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
def test_reconciliation_may_fail_or_be_silent_for_an_hour_or_four_of_its_runs(
    state: State | None, status: Status
) -> None:
    check = checks.judge_reconciliation(state, NOW)
    assert check.status is status
    assert (check.problem is None) == (status is Status.OK)


def test_the_last_callback_and_the_quota_are_told_and_not_judged() -> None:
    check = checks.judge_callbacks(NOW - timedelta(minutes=2), NOW)
    assert check.details == {"last": NOW - timedelta(minutes=2), "secondsAgo": 120}
    now = NOW.timestamp()
    check = checks.judge_quota(Ledger(slots=(now - 70, now - 50, now - 1), blocked_until=now + 9), NOW)
    assert check.details["usedLastMinute"] == 2
    assert check.details["blockedUntil"] == NOW + timedelta(seconds=9)


def test_a_report_reads_as_json() -> None:
    looked_at = {
        "queues": checks.judge_queues(depths()),
        "reconciliation": checks.judge_reconciliation(State(last=swept(timedelta())), NOW),
    }
    found = msgspec.to_builtins(checks.report(looked_at, NOW))
    assert found["checks"]["queues"] == {
        "status": "ok",
        "details": {
            name: {"messages": 0, "oldestSeconds": None, "oldestJobSeconds": None}
            for name in ALL_QUEUES
            if "poison" not in name
        },
    }
    assert found["checks"]["reconciliation"]["details"]["last"]["sweep"] == "full"

"""Health checks: each turns what was read into ok, warning or failed. Pure; `keywire.health.health` reads."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from keywire.health.probe import ProbeResult
from keywire.health.queue_depths import Depth
from keywire.interests.status import InterestStatus
from keywire.reconciliation.state import State
from keywire.storage import layout
from keywire.storage.layout import POISON_QUEUES
from keywire.video_indexer.quota_ledger import Ledger

# A live job starts within seconds. A deferred one is invisible for up to a quarter of an hour, which counts as waiting.
OLDEST_LIVE_JOB: Final = timedelta(minutes=30)
# Single runs of reconciliation may fail. After this time without a sweep, lost callbacks are no longer found.
# If the timer is slow, `RUNS_MISSED` times the time between two runs counts instead.
RECONCILIATION_MISSED: Final = timedelta(hours=1)
RUNS_MISSED: Final = 4


class Status(StrEnum):
    """The outcome of a check. `WARNING`: an operator should look. `FAILED`: videos are not processed."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The result of one check.

    Attributes:
        status: The outcome.
        problem: What is wrong, and what to do about it.
        details: What the check found.
    """

    status: Status
    problem: str | None = None
    details: Mapping[str, Any] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The results of all checks.

    Attributes:
        status: The worst status of all checks.
        checked_at: When the checks ran (UTC).
        checks: The results by the checks' names.
    """

    status: Status
    checked_at: datetime
    checks: Mapping[str, Check]

    @property
    def http_status(self) -> int:
        """200, or 503 if a check failed."""
        return 503 if self.status is Status.FAILED else 200


def report(checks: Mapping[str, Check], now: datetime) -> Report:
    """Return the report for the results of all checks."""
    worst = max((check.status for check in checks.values()), key=list(Status).index, default=Status.OK)
    return Report(status=worst, checked_at=now, checks=checks)


def check_queues(depths: Mapping[str, Depth]) -> Check:
    """Check that no message on the watched queues waits for too long."""
    problems = [
        (
            status,
            f"a message on `{queue}` has waited for {depths[queue].oldest_seconds or 0.0:.0f} s: {meaning}",
        )
        for queue, status, meaning in _WATCHED
        if (depths[queue].oldest_seconds or 0.0) > OLDEST_LIVE_JOB.total_seconds()
    ]
    return Check(
        status=problems[0][0] if problems else Status.OK,
        problem="; ".join(problem for _, problem in problems) or None,
        details={name: depth for name, depth in depths.items() if name not in POISON_QUEUES},
    )


# The most serious first.
_WATCHED: Final = (
    (layout.EXTRACTION_QUEUE, Status.FAILED, "videos are not extracted"),
    (layout.EVENT_GRID_QUEUE, Status.WARNING, "the Event Grid topic does not take events"),
)


def check_poison(depths: Mapping[str, Depth]) -> Check:
    """Check that every poison queue is empty."""
    poison = {name: depth for name, depth in depths.items() if name in POISON_QUEUES}
    filled = [name for name, depth in poison.items() if depth.messages]
    return Check(
        status=Status.WARNING if filled else Status.OK,
        problem=f"poison queues with messages to replay or delete: {', '.join(filled)}" if filled else None,
        details=poison,
    )


def check_video_indexer(probe: ProbeResult) -> Check:
    """Check that the last probe of Video Indexer succeeded."""
    return Check(
        status=Status.FAILED if probe.problem else Status.OK,
        problem=probe.problem,
        details={"askedAt": probe.at},
    )


def check_interests(status: InterestStatus | None, etag: str | None) -> Check:
    """Check that the interests file is valid.

    Args:
        status: The result of the last read; None if the file was not read yet.
        etag: The ETag of the current file; None if there is none.
    """
    if status is None:
        return Check(status=Status.OK, details={"interests": None, "note": "the file was not read yet"})
    details = {"interests": status.interests, "readAt": status.read_at}
    if status.problem and status.etag == etag:
        return Check(
            status=Status.WARNING,
            problem=f"the interests file is invalid, the last good one stays in force: {status.problem}",
            details=details,
        )
    if status.etag != etag:
        return Check(
            status=Status.OK, details=details | {"note": "the file changed and will be read within minutes"}
        )
    return Check(status=Status.OK, details=details)


def check_reconciliation(state: State | None, now: datetime) -> Check:
    """Check that reconciliation completes sweeps, so lost callbacks are found."""
    if state is None or (state.last is None and state.failure is None):
        return Check(status=Status.WARNING, problem="reconciliation has not completed a sweep yet")
    details = {"last": state.last, "lastFull": state.last_full, "failure": state.failure}
    limit = max(RECONCILIATION_MISSED, timedelta(seconds=RUNS_MISSED * (state.run_every or 0.0)))
    is_overdue = state.last is None or now - state.last.ended > limit
    if state.failure is not None:
        problem = f"the last run of reconciliation failed: {state.failure.error}"
        return Check(status=Status.FAILED if is_overdue else Status.WARNING, problem=problem, details=details)
    if is_overdue:
        problem = "reconciliation completed no sweep for too long: check that its timer runs"
        return Check(status=Status.FAILED, problem=problem, details=details)
    return Check(status=Status.OK, details=details)


def check_callbacks(last: datetime | None, now: datetime) -> Check:
    """Report when the last callback came. It is always ok: only uploaders know if one is missing."""
    if last is None:
        return Check(status=Status.OK, details={"last": None, "note": "no callback came yet"})
    return Check(status=Status.OK, details={"last": last, "secondsAgo": round((now - last).total_seconds())})


def check_quota(ledger: Ledger | None, now: datetime) -> Check:
    """Report how much of the account's quota is used, and until when the gate is tripped. It is always ok."""
    if ledger is None:
        return Check(status=Status.OK, details={"usedLastMinute": 0})
    details: dict[str, Any] = {"usedLastMinute": ledger.used(now.timestamp())}
    if ledger.blocked_until > now.timestamp():
        details["blockedUntil"] = datetime.fromtimestamp(ledger.blocked_until, UTC)
    return Check(status=Status.OK, details=details)

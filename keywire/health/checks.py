"""What is good, what asks for a look, and what keeps videos from getting through. Pure: `health` reads."""

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

# A job that somebody waits for is begun in seconds. One that was put off is out of sight for a quarter of an
# hour at most, and that counts as waiting.
OLDEST_LIVE_JOB: Final = timedelta(minutes=30)
# Reconciliation may fail now and then; so long without a sweep means that lost callbacks stay lost. Where
# the timer is slower, it is so many times the time between two runs.
RECONCILIATION_MISSED: Final = timedelta(hours=1)
RUNS_MISSED: Final = 4


class Status(StrEnum):
    """How a thing is; `WARNING` asks for a look, `FAILED` means that videos don't get through."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that was looked at.

    Attributes:
        status: How it is.
        problem: What is wrong, and what helps.
        details: What was seen.
    """

    status: Status
    problem: str | None = None
    details: Mapping[str, Any] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All checks.

    Attributes:
        status: The worst of them.
        checked_at: When (UTC).
        checks: Each by its name.
    """

    status: Status
    checked_at: datetime
    checks: Mapping[str, Check]

    @property
    def http_status(self) -> int:
        """200, or 503 where videos don't get through."""
        return 503 if self.status is Status.FAILED else 200


def report(checks: Mapping[str, Check], now: datetime) -> Report:
    """The whole of the checks."""
    worst = max((check.status for check in checks.values()), key=list(Status).index, default=Status.OK)
    return Report(status=worst, checked_at=now, checks=checks)


def judge_queues(depths: Mapping[str, Depth]) -> Check:
    """Whether jobs wait for too long."""
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


def judge_poison(depths: Mapping[str, Depth]) -> Check:
    """Whether anything was given up that nobody has looked at."""
    poison = {name: depth for name, depth in depths.items() if name in POISON_QUEUES}
    full = [name for name, depth in poison.items() if depth.messages]
    return Check(
        status=Status.WARNING if full else Status.OK,
        problem=f"given up, to be looked at: {', '.join(full)}" if full else None,
        details=poison,
    )


def judge_video_indexer(probe: ProbeResult) -> Check:
    """Whether Video Indexer can be asked."""
    return Check(
        status=Status.FAILED if probe.problem else Status.OK,
        problem=probe.problem,
        details={"askedAt": probe.at},
    )


def judge_interests(status: InterestStatus | None, etag: str | None) -> Check:
    """Whether the file of interests is good; `etag` is that of the file that lies there now."""
    if status is None:
        return Check(status=Status.OK, details={"interests": None, "note": "nobody has looked yet"})
    seen = {"interests": status.interests, "readAt": status.read_at}
    if status.problem and status.etag == etag:
        return Check(
            status=Status.WARNING,
            problem=f"the file of interests is not in force, the last good one is: {status.problem}",
            details=seen,
        )
    if status.etag != etag:
        return Check(
            status=Status.OK, details=seen | {"note": "the file changed and will be read within minutes"}
        )
    return Check(status=Status.OK, details=seen)


def judge_reconciliation(state: State | None, now: datetime) -> Check:
    """Whether lost callbacks are found."""
    if state is None or (state.last is None and state.failure is None):
        return Check(status=Status.WARNING, problem="reconciliation has not been through yet")
    details = {"last": state.last, "lastFull": state.last_full, "failure": state.failure}
    patience = max(RECONCILIATION_MISSED, timedelta(seconds=RUNS_MISSED * (state.run_every or 0.0)))
    silent = state.last is None or now - state.last.ended > patience
    if state.failure is not None:
        problem = f"reconciliation stopped on its way: {state.failure.error}"
        return Check(status=Status.FAILED if silent else Status.WARNING, problem=problem, details=details)
    if silent:
        problem = "reconciliation has not got through for too long: does its timer run?"
        return Check(status=Status.FAILED, problem=problem, details=details)
    return Check(status=Status.OK, details=details)


def judge_callbacks(last: datetime | None, now: datetime) -> Check:
    """When the last callback came: nobody but the uploader knows whether there should have been one."""
    if last is None:
        return Check(status=Status.OK, details={"last": None, "note": "none was seen yet"})
    return Check(status=Status.OK, details={"last": last, "secondsAgo": round((now - last).total_seconds())})


def judge_quota(ledger: Ledger | None, now: datetime) -> Check:
    """How much of Video Indexer's limits is used."""
    if ledger is None:
        return Check(status=Status.OK, details={"usedLastMinute": 0})
    details: dict[str, Any] = {"usedLastMinute": ledger.used(now.timestamp())}
    if ledger.blocked_until > now.timestamp():
        details["blockedUntil"] = datetime.fromtimestamp(ledger.blocked_until, UTC)
    return Check(status=Status.OK, details=details)

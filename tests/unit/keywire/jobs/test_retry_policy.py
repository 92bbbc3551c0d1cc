"""Retry policy: what is deferred, for how long, and what is dead-lettered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from hypothesis import given
from hypothesis import strategies as st

from keywire.jobs import retry_policy
from keywire.jobs.job import ExtractionJob
from keywire.jobs.retry_policy import DeadLetter, Defer
from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    TransientError,
    UnusableError,
    VideoIndexerError,
)

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
JOB = ExtractionJob(video_id="12345abcde", job_id="j1", signal="callback", received_at=NOW)


def decide(
    error: Exception,
    *,
    attempts: int = 0,
    not_found: int = 0,
    age: timedelta = timedelta(),
    jitter: float = 0.5,
) -> Defer[ExtractionJob] | DeadLetter:
    job = msgspec.structs.replace(
        JOB, attempts=attempts, not_found=not_found, first_failed_at=NOW - age if age else None
    )
    return retry_policy.decide(job, error, now=NOW, jitter=lambda: jitter)


def deferred(error: Exception, **options: Any) -> Defer[ExtractionJob]:
    decision = decide(error, **options)
    assert isinstance(decision, Defer)
    return decision


def throttled(retry_after: float) -> ThrottledError:
    error = ThrottledError("too many", status=429)
    error.retry_after = retry_after
    return error


def test_a_throttled_job_waits_as_long_as_the_service_asks_and_its_attempt_does_not_count() -> None:
    decision = deferred(throttled(30), attempts=3, jitter=0)
    assert decision.delay == timedelta(seconds=30)
    assert decision.message.attempts == 3
    assert deferred(throttled(30), jitter=1).delay == timedelta(seconds=45)
    assert isinstance(decide(throttled(30), age=timedelta(days=6)), Defer)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 10), (1, 20), (5, 320), (8, 2560), (9, 3600), (10_000, 3600)]
)
def test_a_video_that_is_not_ready_is_deferred_with_growing_delays(attempts: int, seconds: int) -> None:
    assert deferred(NotReadyError("indexing"), attempts=attempts).delay == timedelta(seconds=seconds)


@given(st.integers(0, 100), st.floats(0, 1))
def test_jobs_that_failed_together_are_deferred_by_different_delays_within_a_bound(
    attempts: int, jitter: float
) -> None:
    delay = deferred(TransientError("503"), attempts=attempts, jitter=jitter).delay
    most = min(retry_policy.TRANSIENT_MOST, retry_policy.TRANSIENT_FIRST * 2 ** min(attempts, 16))
    assert delay == max(timedelta(seconds=1), jitter * most)


@pytest.mark.parametrize("error", [TransientError("503"), NotReadyError("indexing")])
def test_a_job_that_failed_for_a_day_is_dead_lettered(error: VideoIndexerError) -> None:
    assert isinstance(decide(error, age=timedelta(hours=23, minutes=59)), Defer)
    assert decide(error, age=timedelta(hours=24)) == DeadLetter(reason=str(error))


def test_a_misconfiguration_is_retried_for_a_week() -> None:
    error = MisconfiguredError("no role", status=403)
    assert deferred(error, age=timedelta(days=6), jitter=0).delay == timedelta(minutes=2)
    assert isinstance(decide(error, age=timedelta(days=7)), DeadLetter)


def test_a_video_that_is_not_found_is_deferred_once() -> None:
    decision = deferred(GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND"))
    assert decision.delay == timedelta(minutes=1)
    assert decision.message.attempts == 1


def test_an_unusable_answer_is_dead_lettered_at_once() -> None:
    assert decide(UnusableError("no videos")) == DeadLetter(reason="no videos")


def test_a_deferred_job_remembers_its_failures_and_is_the_same_job() -> None:
    decision = deferred(TransientError("GetVideoIndex was answered with 503"), attempts=2)
    expected = msgspec.structs.replace(
        JOB, attempts=3, last_error="GetVideoIndex was answered with 503", first_failed_at=NOW
    )
    assert decision.message == expected


def test_consecutive_not_founds_are_counted_separately() -> None:
    gone = GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND")
    assert deferred(gone, attempts=7).message.not_found == 1
    assert deferred(TransientError("503"), not_found=1).message.not_found == 0
    assert decide(gone, not_found=1) == DeadLetter(reason="not found")


@pytest.mark.parametrize(
    "error", [HttpResponseError("secret"), ServiceRequestError("secret"), TimeoutError()]
)
def test_a_failure_of_storage_is_deferred_like_one_of_video_indexer(error: Exception) -> None:
    assert retry_policy.is_dependency_failure(error)
    decision = deferred(error)
    assert decision.message.last_error == type(error).__name__


def test_a_defect_of_our_own_is_not_a_dependency_failure() -> None:
    assert not retry_policy.is_dependency_failure(KeyError("x"))

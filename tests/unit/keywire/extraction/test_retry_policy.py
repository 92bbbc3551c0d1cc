"""What becomes of a job that failed: put off, and for how long, or given up."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.extraction import retry_policy
from keywire.extraction.retry_policy import DeadLetter, Defer
from keywire.jobs.job import ExtractionJob
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
    error: VideoIndexerError, *, attempts: int = 0, age: timedelta = timedelta(), jitter: float = 0.5
) -> Defer | DeadLetter:
    job = msgspec.structs.replace(JOB, attempts=attempts, received_at=NOW - age)
    return retry_policy.decide(job, error, now=NOW, jitter=lambda: jitter)


def put_off(
    error: VideoIndexerError, *, attempts: int = 0, age: timedelta = timedelta(), jitter: float = 0.5
) -> Defer:
    decision = decide(error, attempts=attempts, age=age, jitter=jitter)
    assert isinstance(decision, Defer)
    return decision


def throttled(retry_after: float) -> ThrottledError:
    error = ThrottledError("too many", status=429)
    error.retry_after = retry_after
    return error


def test_a_throttled_job_waits_as_long_as_was_asked_and_its_attempt_does_not_count() -> None:
    decision = put_off(throttled(30), attempts=3, jitter=0)
    assert decision.delay == timedelta(seconds=30)
    assert decision.job.attempts == 3
    assert put_off(throttled(30), jitter=1).delay == timedelta(seconds=45)
    assert isinstance(decide(throttled(30), age=timedelta(days=6)), Defer)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 10), (1, 20), (5, 320), (6, 600), (10_000, 600)])
def test_a_video_that_is_not_ready_is_asked_about_less_and_less(attempts: int, seconds: int) -> None:
    assert put_off(NotReadyError("indexing"), attempts=attempts).delay == timedelta(seconds=seconds)


@given(st.integers(0, 100), st.floats(0, 1))
def test_what_failed_together_comes_back_apart_and_within_a_bound(attempts: int, jitter: float) -> None:
    delay = put_off(TransientError("503"), attempts=attempts, jitter=jitter).delay
    most = min(retry_policy.TRANSIENT_MOST, retry_policy.TRANSIENT_FIRST * 2 ** min(attempts, 16))
    assert delay == max(timedelta(seconds=1), jitter * most)


@pytest.mark.parametrize("error", [TransientError("503"), NotReadyError("indexing")])
def test_after_a_day_somebody_has_to_look(error: VideoIndexerError) -> None:
    assert isinstance(decide(error, age=timedelta(hours=23, minutes=59)), Defer)
    assert decide(error, age=timedelta(hours=24)) == DeadLetter(reason=str(error))


def test_a_misconfiguration_is_waited_out_for_a_week() -> None:
    error = MisconfiguredError("no role", status=403)
    assert put_off(error, age=timedelta(days=6), jitter=0).delay == timedelta(minutes=2)
    assert isinstance(decide(error, age=timedelta(days=7)), DeadLetter)


def test_a_video_that_is_not_found_is_asked_about_once_more() -> None:
    decision = put_off(GoneError("not found", status=404, code="BREAKDOWN_NOT_FOUND"))
    assert decision.delay == timedelta(minutes=1)
    assert decision.job.attempts == 1


def test_an_answer_that_cannot_be_used_is_given_up_at_once() -> None:
    assert decide(UnusableError("no videos")) == DeadLetter(reason="no videos")


def test_a_job_that_is_put_off_says_how_often_and_why_and_is_the_same_job() -> None:
    decision = put_off(TransientError("GetVideoIndex was answered with 503"), attempts=2)
    expected = msgspec.structs.replace(JOB, attempts=3, last_error="GetVideoIndex was answered with 503")
    assert decision.job == expected

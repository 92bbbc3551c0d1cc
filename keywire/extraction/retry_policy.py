"""What becomes of a job that Video Indexer did not let end: put off, and until when, or given up.

Pure. A job that is put off is sent anew with a delay and costs none of the queue's tries, which are there for
crashes. Waiting is what helps against everything but an answer that can't be used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywire.jobs.job import ExtractionJob
from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    TransientError,
    VideoIndexerError,
)

# Failures of a service end within a day, or somebody has to look.
MAX_AGE: Final = timedelta(hours=24)
# Whoever has to grant something may be on holiday.
MAX_AGE_MISCONFIGURED: Final = timedelta(days=7)

# Indexing takes about as long as the video; who asks often finds nothing new.
NOT_READY_FIRST: Final = timedelta(seconds=10)
NOT_READY_MOST: Final = timedelta(minutes=10)
TRANSIENT_FIRST: Final = timedelta(seconds=4)
TRANSIENT_MOST: Final = timedelta(minutes=15)
MISCONFIGURED_DELAY: Final = timedelta(minutes=2)
# A video that is not found may have been found a moment too early: it is asked about once more.
NOT_FOUND_DELAY: Final = timedelta(minutes=1)
_LEAST: Final = timedelta(seconds=1)
MAX_LAST_ERROR: Final = 500


@dataclass(frozen=True, kw_only=True)
class Defer:
    """Send `job` again after `delay`."""

    job: ExtractionJob
    delay: timedelta


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Put the job where a person finds it, with the reason."""

    reason: str


def decide(
    job: ExtractionJob, error: VideoIndexerError, *, now: datetime, jitter: Callable[[], float]
) -> Defer | DeadLetter:
    """What to do about `error`.

    Args:
        job: The job that failed.
        error: How.
        now: The time (UTC).
        jitter: A number from 0 to 1, another each time: jobs that failed together don't come back together.
    """
    age = now - job.received_at
    match error:
        case ThrottledError():
            # The service's fault is not the job's: the attempt does not count.
            wait = error.retry_after * (1 + jitter() / 2)
            return _defer(job, error, timedelta(seconds=wait), attempts=job.attempts)
        case MisconfiguredError() if age < MAX_AGE_MISCONFIGURED:
            return _defer(job, error, MISCONFIGURED_DELAY * (1 + jitter()))
        case NotReadyError() if age < MAX_AGE:
            return _defer(job, error, _growing(NOT_READY_FIRST, NOT_READY_MOST, job.attempts))
        case GoneError() if job.attempts == 0:
            return _defer(job, error, NOT_FOUND_DELAY)
        case TransientError() if age < MAX_AGE:
            return _defer(job, error, jitter() * _growing(TRANSIENT_FIRST, TRANSIENT_MOST, job.attempts))
    return DeadLetter(reason=str(error))


def _growing(first: timedelta, most: timedelta, attempts: int) -> timedelta:
    return min(most, first * (1 << min(attempts, 16)))


def _defer(
    job: ExtractionJob, error: VideoIndexerError, delay: timedelta, *, attempts: int | None = None
) -> Defer:
    tried = job.attempts + 1 if attempts is None else attempts
    later = msgspec.structs.replace(job, attempts=tried, last_error=str(error)[:MAX_LAST_ERROR])
    return Defer(job=later, delay=max(_LEAST, delay))

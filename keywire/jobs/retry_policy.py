"""Retry policy: defer a failed message with a delay, or move it to the poison queue. Pure.

A failure of a dependency (Video Indexer, storage, a topic) defers the message: it is sent again with a delay, and
costs none of the queue's tries. Tries are for crashes. Only an answer that will not change is a dead letter at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from azure.core.exceptions import AzureError, HttpResponseError

from keywire.jobs.message import Deferrable
from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    UnusableError,
    VideoIndexerError,
)

# A failure of a service ends within a day, or an operator has to look.
MAX_AGE: Final = timedelta(hours=24)
# The operator who has to grant something may be on holiday.
MAX_AGE_MISCONFIGURED: Final = timedelta(days=7)

# Indexing takes about as long as the video.
NOT_READY_FIRST: Final = timedelta(seconds=10)
NOT_READY_MOST: Final = timedelta(hours=1)
TRANSIENT_FIRST: Final = timedelta(seconds=4)
TRANSIENT_MOST: Final = timedelta(minutes=15)
MISCONFIGURED_DELAY: Final = timedelta(minutes=2)
# Video Indexer may not find a video that was uploaded a moment ago: ask once more.
NOT_FOUND_DELAY: Final = timedelta(minutes=1)
_LEAST: Final = timedelta(seconds=1)
_MAX_LAST_ERROR: Final = 500


@dataclass(frozen=True, kw_only=True)
class Defer[M: Deferrable]:
    """Send `message` again after `delay`."""

    message: M
    delay: timedelta


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Move the message to the poison queue with `reason`."""

    reason: str


def is_dependency_failure(error: Exception) -> bool:
    """Return whether a dependency failed, as opposed to Keywire's own code."""
    return isinstance(error, VideoIndexerError | AzureError | TimeoutError)


def decide[M: Deferrable](
    message: M, error: Exception, *, now: datetime, jitter: Callable[[], float]
) -> Defer[M] | DeadLetter:
    """Return what to do about a dependency's failure.

    Args:
        message: The message that failed.
        error: One of those that `is_dependency_failure` accepts.
        now: The time (UTC).
        jitter: A number from 0 to 1, another at each call: messages that failed together do not return together.
    """
    failed = msgspec.structs.replace(
        message,
        first_failed_at=message.first_failed_at or now,
        last_error=_reason(error)[:_MAX_LAST_ERROR],
        not_found=message.not_found + 1 if isinstance(error, GoneError) else 0,
    )
    age = now - (message.first_failed_at or now)
    delay: timedelta | None = None
    match error:
        case ThrottledError():
            # The rate limit is not the message's fault: the attempt does not count.
            wait = timedelta(seconds=error.retry_after * (1 + jitter() / 2))
            return Defer(message=failed, delay=max(_LEAST, wait))
        case MisconfiguredError() if age < MAX_AGE_MISCONFIGURED:
            delay = MISCONFIGURED_DELAY * (1 + jitter())
        case NotReadyError() if age < MAX_AGE:
            delay = _growing(NOT_READY_FIRST, NOT_READY_MOST, message.attempts)
        case GoneError() if message.not_found == 0:
            delay = NOT_FOUND_DELAY
        case GoneError() | UnusableError() | MisconfiguredError() | NotReadyError():
            pass
        case _ if age < MAX_AGE:
            delay = jitter() * _growing(TRANSIENT_FIRST, TRANSIENT_MOST, message.attempts)
    if delay is None:
        return DeadLetter(reason=_reason(error))
    later = msgspec.structs.replace(failed, attempts=message.attempts + 1)
    return Defer(message=later, delay=max(_LEAST, delay))


def kind_of(error: Exception) -> str:
    """Return the kind of an error, as metrics name it."""
    return type(error).__name__.removesuffix("Error")


def _growing(first: timedelta, most: timedelta, attempts: int) -> timedelta:
    return min(most, first * (1 << min(attempts, 16)))


def _reason(error: Exception) -> str:
    """Return the error in words; an SDK's error may quote a request, so only its kind is named."""
    if isinstance(error, VideoIndexerError):
        return str(error)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return f"{type(error).__name__} {status or ''}".rstrip()

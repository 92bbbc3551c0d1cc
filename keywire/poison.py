"""Poison: what was given up, as a message that a person can read and that a replay can use.

The host's own poison messages say nothing but the job and expire after seven days; so Keywire writes them
itself, whenever it is still running to do so.
"""

import base64
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from keywire.jobs import ExtractionJob
from keywire.publishers import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

MAX_REASON = 2000
MAX_BODY = 16 * 1024


class PoisonMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Something that was given up.

    Attributes:
        reason: Why, in a sentence.
        poisoned_at: When (UTC).
        tries: How often the queue gave it out.
        job: The job, with its attempts and its last error, where it could be read.
        message: Otherwise the message as it came, in base64; a long one is cut.
    """

    reason: str
    poisoned_at: datetime
    tries: int
    job: ExtractionJob | None = None
    message: str | None = None


class PoisonQueue:
    """Takes what was given up.

    Args:
        queue: A client that encodes its messages with base64.
    """

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.queue_name

    async def send(self, message: PoisonMessage) -> None:
        """Keep a message until somebody takes it.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send_message(msgspec.json.encode(message).decode(), time_to_live=KEEP_FOREVER)


def of_job(job: ExtractionJob, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """A job that was given up."""
    return PoisonMessage(reason=reason[:MAX_REASON], poisoned_at=now, tries=tries, job=job)


def of_body(body: bytes, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """A message that could not be read."""
    return PoisonMessage(
        reason=reason[:MAX_REASON],
        poisoned_at=now,
        tries=tries,
        message=base64.b64encode(body[:MAX_BODY]).decode(),
    )

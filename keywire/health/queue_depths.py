"""The depth of each queue, and the age of its oldest message.

Azure's own metric counts all queues of an account together and is updated once a day.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

# One request shows no more messages.
_MAX_PEEKED: Final = 32


class Depth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The depth of one queue.

    Attributes:
        messages: The approximate number of messages, with deferred ones and those being processed.
        oldest_seconds: The age of the oldest of the first 32 visible messages since it was queued, with its delay if
            it was deferred; None if none is visible.
        oldest_job_seconds: The age of the oldest signal of the jobs in them, with all deferrals; None if none of
            them is a job.
    """

    messages: int
    oldest_seconds: float | None
    oldest_job_seconds: float | None = None


class _Job(msgspec.Struct, rename="camel"):
    received_at: Moment


_JOB: Final = msgspec.json.Decoder(_Job)


@dataclass(frozen=True, kw_only=True)
class QueueDepths:
    """Reads the depths of queues.

    Attributes:
        queues: Clients by the queues' names; they neither encode nor decode.
        clock: The time now (UTC).
    """

    queues: Mapping[str, "QueueClient"]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def read(self) -> Mapping[str, Depth]:
        """Return the depth of each queue, by its name.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        depths = await asyncio.gather(*(self._read(queue) for queue in self.queues.values()))
        return dict(zip(self.queues, depths, strict=True))

    async def _read(self, queue: "QueueClient") -> Depth:
        properties = await queue.get_queue_properties()
        messages = properties.approximate_message_count or 0
        if messages == 0:
            return Depth(messages=0, oldest_seconds=None)
        peeked = await queue.peek_messages(max_messages=_MAX_PEEKED)
        return Depth(
            messages=messages,
            oldest_seconds=self._age_of_oldest(message.inserted_on for message in peeked),
            oldest_job_seconds=self._age_of_oldest(_received_at(message) for message in peeked),
        )

    def _age_of_oldest(self, moments: Iterable[datetime | None]) -> float | None:
        oldest = min((moment for moment in moments if moment), default=None)
        return None if oldest is None else round(max(0.0, (self.clock() - oldest).total_seconds()), 1)


def _received_at(message: "QueueMessage") -> datetime | None:
    """Return when the signal of the job in a message came; None if the message is not a job."""
    try:
        return _JOB.decode(base64.b64decode(message.content, validate=True)).received_at
    except (*DECODE_ERRORS, ValueError):
        return None

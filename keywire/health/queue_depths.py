"""How many messages wait on Keywire's queues, and how long the oldest has.

Azure's own metric counts all queues of an account together and is a day old, so Keywire counts itself.
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

# The most that one request shows.
_SHOWN: Final = 32


class Depth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One queue.

    Attributes:
        messages: How many it has, about, and those that are put off or in work with them.
        oldest_seconds: How long the oldest of the first 32 visible messages has waited, its delay included
            where it was put off; None where none is visible.
        oldest_job_seconds: How long ago the signal came that the oldest job in them is from, however often it
            was put off since; None where none of them is a job.
    """

    messages: int
    oldest_seconds: float | None
    oldest_job_seconds: float | None = None


class _Job(msgspec.Struct, rename="camel"):
    received_at: Moment


_JOB: Final = msgspec.json.Decoder(_Job)


@dataclass(frozen=True, kw_only=True)
class QueueDepths:
    """Looks at the queues.

    Attributes:
        queues: Clients by the queues' names, which neither encode nor decode.
        clock: The time now (UTC).
    """

    queues: Mapping[str, "QueueClient"]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def read(self) -> Mapping[str, Depth]:
        """How full each queue is, by its name.

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
        shown = await queue.peek_messages(max_messages=_SHOWN)
        return Depth(
            messages=messages,
            oldest_seconds=self._oldest(message.inserted_on for message in shown),
            oldest_job_seconds=self._oldest(_signalled(message) for message in shown),
        )

    def _oldest(self, moments: Iterable[datetime | None]) -> float | None:
        oldest = min((moment for moment in moments if moment), default=None)
        return None if oldest is None else round(max(0.0, (self.clock() - oldest).total_seconds()), 1)


def _signalled(message: "QueueMessage") -> datetime | None:
    """When the signal came that the job in a message is from; None where there is no job in it."""
    try:
        return _JOB.decode(base64.b64decode(message.content, validate=True)).received_at
    except (*DECODE_ERRORS, ValueError):
        return None

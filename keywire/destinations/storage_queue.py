"""The consumers' queue: each event is a base64 message, as the Functions queue trigger expects it."""

from typing import TYPE_CHECKING, Final

import msgspec

from keywire.destinations.event_batch import EventBatch
from keywire.in_parallel import for_each
from keywire.storage.layout import KEEP_FOREVER
from keywire.telemetry import instruments, tracing

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

# A video may match thousands of interests, and a job has only minutes.
CONCURRENCY: Final = 8


class _Type(msgspec.Struct):
    type: str


_TYPE: Final = msgspec.json.Decoder(_Type)


class StorageQueue:
    """Sends events to a Storage queue.

    Args:
        queue: A client that encodes its messages with base64.
    """

    name: str = "queue"

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    async def send(self, batch: EventBatch) -> None:
        """Send the events: the one about the version's keywords first, those about interests in any order.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take all of them.
        """
        with tracing.span(f"publish {self.name}", kind="producer"):
            for first in batch.events[:1]:
                await self._send(first)
            await for_each(batch.events[1:], self._send, concurrency=CONCURRENCY)
        count_events(batch.events, self.name)

    async def _send(self, event: bytes) -> None:
        await self._queue.send_message(event.decode(), time_to_live=KEEP_FOREVER)


def count_events(events: tuple[bytes, ...], destination: str) -> None:
    """Count events that a destination took."""
    for event in events:
        instruments.events.add(1, {"type": _TYPE.decode(event).type, "destination": destination})

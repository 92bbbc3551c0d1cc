"""Events on a Storage queue."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from keywire.in_parallel import for_each
from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

# A video may match thousands of interests, and a job has only minutes.
AT_ONCE: Final = 8


class StorageQueue:
    """Events on a Storage queue, each a base64 message as the Functions queue trigger expects it.

    Args:
        queue: A client that encodes its messages with base64.
    """

    name: str = "queue"

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    async def publish(self, events: Sequence[bytes]) -> None:
        """See `Destination`. What a version says of its keywords goes first, its interests in any order."""
        for first in events[:1]:
            await self._send(first)
        await for_each(events[1:], self._send, at_once=AT_ONCE)

    async def _send(self, event: bytes) -> None:
        await self._queue.send_message(event.decode(), time_to_live=KEEP_FOREVER)

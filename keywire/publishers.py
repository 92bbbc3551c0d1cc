"""Destinations of events: each takes the exact bytes that were stored with the version."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from keywire import telemetry
from keywire.in_parallel import for_each

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

# Never: the default loses a message that nobody read for seven days.
KEEP_FOREVER: Final = -1
# A video may concern thousands of interests, and a job has only minutes.
AT_ONCE: Final = 8


class _Type(msgspec.Struct):
    type: str


_TYPE: Final = msgspec.json.Decoder(_Type)


class Publisher(Protocol):
    """One destination.

    Attributes:
        name: What figures call it.
    """

    name: str

    async def publish(self, events: Sequence[bytes]) -> None:
        """Send all of `events`; sending them again after a failure is harmless to consumers."""


class Destinations:
    """Every destination that is configured.

    A failure leaves it open who has what: the same bytes are sent again to all.
    """

    def __init__(self, *publishers: Publisher) -> None:
        self._publishers = publishers

    async def publish(self, events: Sequence[bytes]) -> None:
        """Send all of `events` to each, the first one first; returns when all have taken all of them."""
        for publisher in self._publishers:
            with telemetry.span(f"publish {publisher.name}", kind="producer"):
                await publisher.publish(events)
            for event in events:
                kind = _TYPE.decode(event).type
                telemetry.events.add(1, {"type": kind, "destination": publisher.name})


class QueuePublisher:
    """Events on a Storage queue, each a base64 message as the Functions queue trigger expects it.

    Args:
        queue: A client that encodes its messages with base64.
    """

    name: str = "queue"

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    async def publish(self, events: Sequence[bytes]) -> None:
        """See `Publisher`. What a version says of its keywords goes first, its interests in any order."""
        for first in events[:1]:
            await self._send(first)
        await for_each(events[1:], self._send, at_once=AT_ONCE)

    async def _send(self, event: bytes) -> None:
        await self._queue.send_message(event.decode(), time_to_live=KEEP_FOREVER)

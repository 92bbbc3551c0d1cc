"""Destinations of events: each takes the exact bytes that were stored with the version."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from keywire.telemetry import instruments, tracing


class _Type(msgspec.Struct):
    type: str


_TYPE: Final = msgspec.json.Decoder(_Type)


class Destination(Protocol):
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

    def __init__(self, *publishers: Destination) -> None:
        self._publishers = publishers

    async def publish(self, events: Sequence[bytes]) -> None:
        """Send all of `events` to each, the first one first; returns when all have taken all of them."""
        for publisher in self._publishers:
            with tracing.span(f"publish {publisher.name}", kind="producer"):
                await publisher.publish(events)
            for event in events:
                kind = _TYPE.decode(event).type
                instruments.events.add(1, {"type": kind, "destination": publisher.name})

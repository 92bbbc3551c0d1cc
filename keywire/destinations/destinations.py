"""Destinations: where the outbox sends an edition.

Sending touches Storage queues only. Events go to the consumers' queue; each remote destination has a queue of its own
(see `keywire.destinations.delivery`). Sending is at least once, in no promised order: after a failure some queues may
have the edition, and all of them get the same bytes again.
"""

from collections.abc import Mapping
from typing import Protocol

from keywire.destinations.delivery import DeliveryQueue
from keywire.destinations.event_batch import EventBatch


class Destination(Protocol):
    """A queue that takes editions."""

    async def send(self, batch: EventBatch) -> None:
        """Queue an edition; to queue it again is harmless.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take all of it.
        """


class Destinations:
    """Every destination that is configured, by name.

    Args:
        destinations: The destinations, in the order in which they are sent to.
    """

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        self._destinations = dict(destinations)

    @property
    def names(self) -> frozenset[str]:
        """The names of the destinations."""
        return frozenset(self._destinations)

    @property
    def has_remote(self) -> bool:
        """Whether an edition is read again when it is delivered."""
        return any(isinstance(each, DeliveryQueue) for each in self._destinations.values())

    async def send(self, batch: EventBatch, *, only: str | None = None) -> None:
        """Send an edition to every destination; return when all have taken it.

        Args:
            batch: The edition.
            only: The one destination to send to; None for all. A name that is not configured is sent to nobody.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; send it again.
        """
        if not batch.events:
            return
        for name, destination in self._destinations.items():
            if only in {None, name}:
                await destination.send(batch)

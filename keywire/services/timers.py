"""Wiring of the functions that a timer triggers."""

from functools import cached_property

from keywire.health.health import Health
from keywire.jobs.poison_keeper import PoisonKeeper
from keywire.reconciliation.reconciliation import Reconciliation
from keywire.services import health, operations, sweeps
from keywire.services.clients import Clients
from keywire.storage import layout


class TimerServices:
    """What timers run."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @cached_property
    def health(self) -> Health:
        """The health check."""
        return health.health(self._clients)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        """The reconciliation use case."""
        return Reconciliation(
            sweeps.sweep(self._clients, layout.EXTRACTION_QUEUE, "reconciliation"),
            sweeps.document_metadata(self._clients),
            self._clients.control,
            operations.rematch_videos(self._clients),
        )

    @cached_property
    def poison_keeper(self) -> PoisonKeeper:
        """Rewrites the host's poison messages before they expire."""
        names = [layout.poison_queue(queue) for queue in layout.WORK_QUEUES]
        return PoisonKeeper(
            queues=[self._clients.queue(name, encoded=False) for name in names],
            encoded=[self._clients.queue(name) for name in names],
        )

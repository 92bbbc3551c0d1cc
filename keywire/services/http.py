"""Wiring of the HTTP functions, except the callback, which needs a queue only."""

from functools import cached_property

from keywire.health.health import Health
from keywire.jobs.queue import JobQueue
from keywire.operations.backfills import Backfills
from keywire.operations.rematches import Rematches
from keywire.operations.replay import Replay
from keywire.services import health
from keywire.services.clients import Clients
from keywire.storage import layout


class HttpServices:
    """What an operator's requests need."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @cached_property
    def health(self) -> Health:
        """The health check."""
        return health.health(self._clients)

    @cached_property
    def backfills(self) -> Backfills:
        """Orders and progress of backfills."""
        return Backfills(self._clients.control, self._clients.queue(layout.BACKFILL_PAGES_QUEUE))

    @cached_property
    def rematches(self) -> Rematches:
        """Orders and progress of rematches."""
        return Rematches(self._clients.control, self._clients.queue(layout.REMATCH_QUEUE))

    @cached_property
    def replay(self) -> Replay:
        """The replay use case."""
        clients = self._clients
        return Replay(
            queue=JobQueue(clients.queue(layout.EXTRACTION_QUEUE)),
            pages=lambda name: JobQueue(clients.queue(name)),
            poison=lambda name: clients.queue(layout.poison_queue(name), encoded=False),
            documents=clients.keywords,
            control=clients.control,
            account_id=clients.settings.video_indexer.account_id,
        )

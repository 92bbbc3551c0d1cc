"""Wiring of the HTTP functions, except the callback, which needs a queue only."""

from functools import cached_property

from keywire.health.health import Health
from keywire.interests.status import InterestStatus
from keywire.operations import backfill_orders, rematch_orders
from keywire.operations.backfill_orders import BackfillPage
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import RematchPage
from keywire.operations.rematch_start import RematchStart
from keywire.operations.replay import Replay
from keywire.services import health, operations
from keywire.services.clients import Clients
from keywire.storage import layout
from keywire.storage.notes import Note


class HttpServices:
    """What an operator's requests need."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @cached_property
    def health(self) -> Health:
        """The health check."""
        return health.health(self._clients)

    @cached_property
    def backfills(self) -> OperationLog[BackfillPage, backfill_orders.PageResult]:
        """The log of backfills."""
        return operations.backfills(self._clients)

    @cached_property
    def rematches(self) -> OperationLog[RematchPage, rematch_orders.PageResult]:
        """The log of rematches."""
        return operations.rematches(self._clients)

    @cached_property
    def rematch_start(self) -> RematchStart:
        """Starts rematches."""
        blob = self._clients.blobs.get_blob_client
        return RematchStart(
            log=self.rematches,
            file=blob(layout.CONFIG_CONTAINER, layout.INTERESTS_BLOB),
            last_good=blob(layout.CONTROL_CONTAINER, layout.INTERESTS_BLOB),
            status=Note(blob(layout.CONTROL_CONTAINER, layout.INTERESTS_STATUS_BLOB), InterestStatus),
        )

    @cached_property
    def replay(self) -> Replay:
        """The replay use case."""
        clients = self._clients
        return Replay(
            queue=clients.message_queue,
            poison=lambda name: clients.queue(layout.poison_queue(name), encoded=False),
            documents=clients.keywords,
            control=clients.control,
            account_id=clients.settings.video_indexer.account_id,
        )

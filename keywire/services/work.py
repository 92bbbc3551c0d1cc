"""Wiring of the functions that a queue triggers: extraction, backfill and the pages of operations."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cached_property

from keywire.destinations.destinations import Destinations
from keywire.destinations.storage_queue import StorageQueue
from keywire.extraction.extraction import Extraction
from keywire.extraction.worker import ExtractionWorker
from keywire.interests.source import InterestSource
from keywire.interests.status import InterestStatus
from keywire.jobs.poison import PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.operations import backfill_orders, rematch_orders
from keywire.operations.backfill_orders import BackfillPage
from keywire.operations.backfill_pages import BackfillPages
from keywire.operations.backfills import Backfills
from keywire.operations.page_worker import PageWorker
from keywire.operations.rematch import Rematch
from keywire.operations.rematch_orders import RematchPage
from keywire.operations.rematch_pages import RematchPages
from keywire.operations.rematches import Rematches
from keywire.services import sweeps
from keywire.services.clients import Clients
from keywire.signals.last_seen import LastSignals
from keywire.storage import layout
from keywire.storage.notes import Note
from keywire.versions.store import BlobDocumentStore


class WorkServices:
    """A worker for each work queue."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @cached_property
    def extraction(self) -> Extraction:
        """The extraction use case."""
        clients = self._clients
        account = clients.settings.video_indexer
        return Extraction(
            source=clients.video_indexer,
            store=BlobDocumentStore(clients.keywords, clients.history, account.account_id),
            destinations=self._destinations(),
            interests=self._interests(),
            account_id=account.account_id,
            event_source=account.resource_id,
            service_time=clients.video_indexer.time.passed_at,
            erase_removed=clients.settings.erase_removed,
        )

    @cached_property
    def extraction_worker(self) -> ExtractionWorker:
        """Process the jobs of the queue `extraction`."""
        return self._job_worker(layout.EXTRACTION_QUEUE, self.extraction)

    @cached_property
    def backfill_worker(self) -> ExtractionWorker:
        """Process the jobs of the queue `backfill`, in the backfill lane of the quota."""
        source = self._clients.video_indexer.in_lane("backfill")
        return self._job_worker(layout.BACKFILL_QUEUE, replace(self.extraction, source=source))

    @cached_property
    def rematch_pages(self) -> PageWorker[RematchPage]:
        """Process the pages of rematches."""
        clients = self._clients
        pages = RematchPages(
            Rematch(extraction=self.extraction),
            clients.keywords,
            Rematches(clients.control, clients.queue(layout.REMATCH_QUEUE)),
            clients.settings.video_indexer.account_id,
        )
        return self._page_worker(layout.REMATCH_QUEUE, rematch_orders.read_page, pages.match_page)

    @cached_property
    def backfill_pages(self) -> PageWorker[BackfillPage]:
        """Process the pages of backfills."""
        clients = self._clients
        pages = BackfillPages(
            sweeps.sweep(clients, layout.BACKFILL_QUEUE, "backfill"),
            sweeps.document_metadata(clients),
            Backfills(clients.control, clients.queue(layout.BACKFILL_PAGES_QUEUE)),
        )
        return self._page_worker(layout.BACKFILL_PAGES_QUEUE, backfill_orders.read_page, pages.compare_page)

    def _interests(self) -> InterestSource:
        blob = self._clients.blobs.get_blob_client
        return InterestSource(
            file=blob(layout.CONFIG_CONTAINER, layout.INTERESTS_BLOB),
            last_good=blob(layout.CONTROL_CONTAINER, layout.INTERESTS_BLOB),
            status=Note(blob(layout.CONTROL_CONTAINER, layout.INTERESTS_STATUS_BLOB), InterestStatus),
        )

    def _destinations(self) -> Destinations:
        queue = StorageQueue(self._clients.queue(layout.EVENTS_QUEUE))
        endpoint = self._clients.settings.event_grid_endpoint
        if endpoint is None:
            return Destinations(queue)
        from keywire.destinations import event_grid  # noqa: PLC0415 - its SDK is optional

        topic = event_grid.EventGridTopic(event_grid.connect(endpoint, self._clients.credential))
        return Destinations(queue, topic)

    def _job_worker(self, queue: str, extraction: Extraction) -> ExtractionWorker:
        return ExtractionWorker(
            extraction=extraction,
            last_signals=LastSignals(self._clients.control),
            queue=JobQueue(self._clients.queue(queue)),
            poison=PoisonQueue(self._clients.queue(layout.poison_queue(queue))),
        )

    def _page_worker[P](
        self, queue: str, read: Callable[[bytes], P], do: Callable[[P], Awaitable[None]]
    ) -> PageWorker[P]:
        return PageWorker(
            read=read,
            do=do,
            queue=JobQueue(self._clients.queue(queue)),
            poison=PoisonQueue(self._clients.queue(layout.poison_queue(queue))),
        )

"""Wiring of the functions that a queue triggers: extraction, backfill, pages of operations, deliveries."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cached_property

import msgspec

from keywire.destinations import delivery
from keywire.destinations.delivery import Delivery, DeliveryMessage, DeliveryQueue
from keywire.destinations.destinations import Destination, Destinations
from keywire.destinations.storage_queue import StorageQueue
from keywire.extraction.extraction import Extraction
from keywire.interests.source import InterestSource
from keywire.interests.status import FullRematch, InterestStatus
from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.jobs.message import Deferrable
from keywire.jobs.poison import PoisonQueue
from keywire.jobs.worker import Codec, Worker
from keywire.operations import backfill_orders, rematch_orders
from keywire.operations.backfill_orders import BackfillPage
from keywire.operations.backfill_pages import BackfillPages
from keywire.operations.rematch import Rematch
from keywire.operations.rematch_orders import RematchPage
from keywire.operations.rematch_pages import RematchPages
from keywire.services import operations, sweeps
from keywire.services.clients import Clients
from keywire.signals.last_seen import LastSignals
from keywire.storage import layout
from keywire.storage.notes import Note
from keywire.versions.current import CurrentDocuments
from keywire.versions.history import History
from keywire.versions.outbox import Outbox

JOBS = Codec(
    decode=jobs.decode,
    encode=jobs.encode,
    span="extract",
    traceparent=lambda job: job.traceparent,
    ids=lambda job: f"video={job.video_id} job={job.job_id}",
)
REMATCH_PAGES = Codec[RematchPage](
    decode=rematch_orders.decode_page,
    encode=lambda page: msgspec.json.encode(page).decode(),
    span="rematch page",
    traceparent=lambda page: page.traceparent,
    ids=lambda page: f"rematch={page.operation_id} page={page.number}",
)
BACKFILL_PAGES = Codec[BackfillPage](
    decode=backfill_orders.decode_page,
    encode=lambda page: msgspec.json.encode(page).decode(),
    span="backfill page",
    traceparent=lambda page: page.traceparent,
    ids=lambda page: f"backfill={page.operation_id} page={page.number}",
)
DELIVERIES = Codec[DeliveryMessage](
    decode=delivery.decode,
    encode=delivery.encode,
    span="deliver",
    traceparent=lambda message: message.traceparent,
    ids=lambda message: f"video={message.video_id} edition={message.edition}",
)


class WorkServices:
    """A worker for each work queue."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @cached_property
    def extraction_worker(self) -> Worker[ExtractionJob]:
        """The worker of the queue `extraction`."""
        return self._worker(layout.EXTRACTION_QUEUE, JOBS, self._noted(self._extraction))

    @cached_property
    def backfill_worker(self) -> Worker[ExtractionJob]:
        """The worker of the queue `backfill`, which uses the backfill lane of the quota."""
        source = self._clients.video_indexer.in_lane("backfill")
        extraction = replace(self._extraction, source=source)
        return self._worker(layout.BACKFILL_QUEUE, JOBS, self._noted(extraction))

    @cached_property
    def rematch_worker(self) -> Worker[RematchPage]:
        """The worker of the pages of rematches."""
        clients = self._clients
        pages = RematchPages(
            Rematch(outbox=self._outbox, interests=self._interests),
            clients.keywords,
            operations.rematches(clients),
            Note(clients.control.get_blob_client(layout.FULL_REMATCH_BLOB), FullRematch),
            clients.settings.video_indexer.account_id,
        )
        return self._worker(layout.REMATCH_QUEUE, REMATCH_PAGES, pages.match_page)

    @cached_property
    def backfill_pages_worker(self) -> Worker[BackfillPage]:
        """The worker of the pages of backfills."""
        clients = self._clients
        pages = BackfillPages(
            sweeps.sweep(clients, layout.BACKFILL_QUEUE, "backfill"),
            sweeps.document_metadata(clients),
            operations.backfills(clients),
        )
        return self._worker(layout.BACKFILL_PAGES_QUEUE, BACKFILL_PAGES, pages.compare_page)

    @cached_property
    def event_grid_worker(self) -> Worker[DeliveryMessage]:
        """The worker that delivers editions to the Event Grid topic."""
        from keywire.destinations import event_grid  # noqa: PLC0415 - its SDK is optional

        endpoint = self._clients.settings.event_grid_endpoint
        assert endpoint is not None, "the function is registered only if EVENT_GRID_TOPIC_ENDPOINT is set"
        topic = event_grid.EventGridTopic(event_grid.connect(endpoint, self._clients.credential))
        deliveries = Delivery(name="event-grid", read_events=self._history.read_events, destination=topic)
        return self._worker(layout.EVENT_GRID_QUEUE, DELIVERIES, deliveries.deliver)

    @cached_property
    def _extraction(self) -> Extraction:
        clients = self._clients
        return Extraction(
            source=clients.video_indexer,
            outbox=self._outbox,
            account_id=clients.settings.video_indexer.account_id,
            service_time=clients.video_indexer.time.passed_at,
            erase_removed=clients.settings.erase_removed,
        )

    def _noted(self, extraction: Extraction) -> Callable[[ExtractionJob], Awaitable[None]]:
        last_signals = LastSignals(self._clients.control)

        async def extract(job: ExtractionJob) -> None:
            await last_signals.record(job)
            await extraction.extract(job)

        return extract

    @cached_property
    def _outbox(self) -> Outbox:
        account = self._clients.settings.video_indexer
        return Outbox(
            documents=CurrentDocuments(self._clients.keywords, account.account_id),
            history=self._history,
            destinations=self._destinations(),
            interests=self._interests,
            event_source=account.resource_id,
        )

    @cached_property
    def _history(self) -> History:
        return History(self._clients.history, self._clients.settings.video_indexer.account_id)

    @cached_property
    def _interests(self) -> InterestSource:
        blob = self._clients.blobs.get_blob_client
        return InterestSource(
            file=blob(layout.CONFIG_CONTAINER, layout.INTERESTS_BLOB),
            last_good=blob(layout.CONTROL_CONTAINER, layout.INTERESTS_BLOB),
            status=Note(blob(layout.CONTROL_CONTAINER, layout.INTERESTS_STATUS_BLOB), InterestStatus),
        )

    def _destinations(self) -> Destinations:
        destinations: dict[str, Destination] = {
            "queue": StorageQueue(self._clients.queue(layout.EVENTS_QUEUE))
        }
        if self._clients.settings.event_grid_endpoint is not None:
            queue = self._clients.message_queue(layout.EVENT_GRID_QUEUE)
            destinations["event-grid"] = DeliveryQueue(queue)
        return Destinations(destinations)

    def _worker[M: Deferrable](
        self, queue: str, codec: Codec[M], work: Callable[[M], Awaitable[object]]
    ) -> Worker[M]:
        return Worker(
            codec=codec,
            work=work,
            queue=self._clients.message_queue(queue),
            poison=PoisonQueue(self._clients.queue(layout.poison_queue(queue))),
        )

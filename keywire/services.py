"""The clients of one process: made when first needed, shared by all invocations, never closed.

Python Functions have no stop hook, so a client lives as long as its process and nothing depends on its
closing. What only one kind of function needs is imported where it is made: the callback's first answer
after a cold start waits for nothing of the extraction.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from keywire import jobs
from keywire.job_queue import JobQueue
from keywire.settings import (
    CONFIG_CONTAINER,
    CONTROL_CONTAINER,
    EVENTS_QUEUE,
    HISTORY_CONTAINER,
    INTERESTS_BLOB,
    KEYWORDS_CONTAINER,
    Settings,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

    from keywire.extraction import Extraction
    from keywire.interest_source import InterestSource
    from keywire.job_runner import JobRunner
    from keywire.monitoring.health import Health
    from keywire.operations.backfill_orders import BackfillPage
    from keywire.operations.backfills import Backfills
    from keywire.operations.page_runner import PageRunner
    from keywire.operations.rematch_orders import RematchPage
    from keywire.operations.rematches import Rematches
    from keywire.poison import PoisonQueue
    from keywire.poison_keeper import PoisonKeeper
    from keywire.publishers import Destinations
    from keywire.reconciliation import Reconciliation
    from keywire.replay import Replay
    from keywire.sweeps.document_marks import DocumentMarks
    from keywire.sweeps.sweep import Sweep
    from keywire.video_indexer import VideoIndexerClient
    from keywire.video_indexer.gate import Gate

_CLIENT_OPTIONS: Final[dict[str, Any]] = {
    # Three retries after about 2, 4 and 8 seconds: the SDK's own first wait of 18 s outlasts a caller's
    # patience and holds a job's slot for nothing. So do its timeouts, of 20 s and 60 s.
    "retry_total": 3,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # With these, every request reads ~/.netrc anew in another thread, a quarter of its time. Function apps
    # have no proxy and no netrc.
    "use_env_settings": False,
}

# Clients that log whole URLs or every request: ours are logged where they are made, without a query.
for _name in (
    "azure.core.pipeline.policies.http_logging_policy",
    "azure.identity",
    "azure.monitor.opentelemetry.exporter",
    "httpx",
):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Services:
    """Everything that handlers call, for one process and one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """Keywire's identity."""
        identity = self.settings.identity
        if identity.managed:
            from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415

            return ManagedIdentityCredential(client_id=identity.client_id)
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

        return DefaultAzureCredential(managed_identity_client_id=identity.client_id)

    @cached_property
    def job_queue(self) -> JobQueue:
        """Where jobs go."""
        return JobQueue(self.queue(jobs.QUEUE))

    @cached_property
    def job_runner(self) -> "JobRunner":
        """Runs the jobs of the queue `extraction`."""
        return self._runner(jobs.QUEUE, self.extraction)

    @cached_property
    def backfill_runner(self) -> "JobRunner":
        """Runs the jobs of the queue `backfill`."""
        source = self.video_indexer.in_lane("backfill")
        return self._runner(jobs.BACKFILL_QUEUE, replace(self.extraction, source=source))

    def _runner(self, queue: str, extraction: "Extraction") -> "JobRunner":
        from keywire.job_runner import JobRunner  # noqa: PLC0415
        from keywire.monitoring.last_signals import LastSignals  # noqa: PLC0415
        from keywire.poison import PoisonQueue  # noqa: PLC0415

        return JobRunner(
            extraction=extraction,
            last_signals=LastSignals(self._control),
            queue=JobQueue(self.queue(queue)),
            poison=PoisonQueue(self.queue(f"{queue}-poison")),
        )

    @cached_property
    def video_indexer(self) -> "VideoIndexerClient":
        """Video Indexer."""
        import httpx  # noqa: PLC0415

        from keywire.video_indexer import AccessTokens, VideoIndexerClient  # noqa: PLC0415

        account = self.settings.video_indexer
        # Enough for every job in flight: httpx closes what is over 20 idle connections, and all after 5 s.
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60.0)
        http = httpx.AsyncClient(headers={"User-Agent": "keywire"}, limits=limits)
        tokens = AccessTokens(
            http,
            self.credential,
            endpoint=account.resource_manager_endpoint,
            audience=account.resource_manager_audience,
            resource_id=account.resource_id,
            restricted=account.restricted_token,
        )
        return VideoIndexerClient(
            http,
            tokens,
            endpoint=account.endpoint,
            location=account.location,
            account_id=account.account_id,
            language=account.language,
            gate=self.gate,
        )

    @cached_property
    def gate(self) -> "Gate":
        """Where requests to Video Indexer wait for their turn among all instances."""
        from keywire.quota import QUOTA_BLOB, QuotaGate  # noqa: PLC0415
        from keywire.video_indexer.gate import OpenGate  # noqa: PLC0415

        account = self.settings.video_indexer
        if account.quota_share is None:
            return OpenGate()
        return QuotaGate(
            self.blobs.get_blob_client(CONTROL_CONTAINER, QUOTA_BLOB),
            share=account.quota_share,
            backfill_share=account.backfill_share,
        )

    @cached_property
    def extraction(self) -> "Extraction":
        """The extraction use case."""
        from keywire.extraction import Extraction  # noqa: PLC0415
        from keywire.store import BlobDocumentStore  # noqa: PLC0415

        account = self.settings.video_indexer
        return Extraction(
            source=self.video_indexer,
            store=BlobDocumentStore(
                self.blobs.get_container_client(KEYWORDS_CONTAINER),
                self.blobs.get_container_client(HISTORY_CONTAINER),
                account.account_id,
            ),
            destinations=self.destinations,
            interests=self.interests,
            account_id=account.account_id,
            event_source=account.resource_id,
            service_time=self.video_indexer.time.passed_at,
            erase_removed=self.settings.erase_removed,
        )

    @cached_property
    def diagnostics_poison(self) -> "PoisonQueue":
        """Where records of Video Indexer's own log go that came to nothing."""
        from keywire import diagnostics  # noqa: PLC0415
        from keywire.poison import PoisonQueue  # noqa: PLC0415

        return PoisonQueue(self.queue(diagnostics.POISON_QUEUE))

    @cached_property
    def rematches(self) -> "Rematches":
        """Rematches, as who orders one meets them."""
        from keywire.operations import rematch_orders  # noqa: PLC0415
        from keywire.operations.rematches import Rematches  # noqa: PLC0415

        return Rematches(self._control, self.queue(rematch_orders.QUEUE))

    @cached_property
    def rematch_pages(self) -> "PageRunner[RematchPage]":
        """Runs the pages of rematches."""
        from keywire.operations import rematch_orders  # noqa: PLC0415
        from keywire.operations.rematch import Rematch  # noqa: PLC0415
        from keywire.operations.rematch_pages import RematchPages  # noqa: PLC0415

        pages = RematchPages(
            Rematch(extraction=self.extraction),
            self.blobs.get_container_client(KEYWORDS_CONTAINER),
            self.rematches,
            self.settings.video_indexer.account_id,
        )
        return self._page_runner(rematch_orders.QUEUE, rematch_orders.read_page, pages.run)

    def _page_runner[P](
        self, queue: str, read: Callable[[bytes], P], do: Callable[[P], Awaitable[None]]
    ) -> "PageRunner[P]":
        from keywire.operations.page_runner import PageRunner  # noqa: PLC0415
        from keywire.poison import PoisonQueue  # noqa: PLC0415

        return PageRunner(
            read=read,
            do=do,
            queue=JobQueue(self.queue(queue)),
            poison=PoisonQueue(self.queue(f"{queue}-poison")),
        )

    @cached_property
    def reconciliation(self) -> "Reconciliation":
        """The reconciliation use case."""
        from keywire.reconciliation import Reconciliation  # noqa: PLC0415

        return Reconciliation(
            self._sweep(self.job_queue, "reconciliation"),
            self._marks,
            self._control,
        )

    @cached_property
    def backfills(self) -> "Backfills":
        """Backfills, as who orders one meets them."""
        from keywire.operations import backfill_orders  # noqa: PLC0415
        from keywire.operations.backfills import Backfills  # noqa: PLC0415

        return Backfills(self._control, self.queue(backfill_orders.QUEUE))

    @cached_property
    def backfill_pages(self) -> "PageRunner[BackfillPage]":
        """Runs the pages of backfills."""
        from keywire.operations import backfill_orders  # noqa: PLC0415
        from keywire.operations.backfill_pages import BackfillPages  # noqa: PLC0415

        pages = BackfillPages(self._sweep(self._backlog, "backfill"), self._marks, self.backfills)
        return self._page_runner(backfill_orders.QUEUE, backfill_orders.read_page, pages.run)

    @property
    def _marks(self) -> "DocumentMarks":
        from keywire.sweeps.document_marks import DocumentMarks  # noqa: PLC0415

        return DocumentMarks(
            self.blobs.get_container_client(KEYWORDS_CONTAINER), self.settings.video_indexer.account_id
        )

    @property
    def _backlog(self) -> JobQueue:
        return JobQueue(self.queue(jobs.BACKFILL_QUEUE))

    def _sweep(self, queue: JobQueue, signal: jobs.Signal) -> "Sweep":
        from keywire.sweeps.sweep import Sweep  # noqa: PLC0415
        from keywire.video_indexer.listing import list_videos  # noqa: PLC0415

        videos = partial(list_videos, self.video_indexer.in_lane("backfill"))
        return Sweep(videos=videos, queue=queue, backlog=self._backlog, signal=signal)

    @cached_property
    def interests(self) -> "InterestSource":
        """What customers care about."""
        from keywire.interest_source import InterestSource  # noqa: PLC0415
        from keywire.monitoring.interest_status import STATUS_BLOB, InterestStatus  # noqa: PLC0415
        from keywire.notes import Note  # noqa: PLC0415

        return InterestSource(
            file=self.blobs.get_blob_client(CONFIG_CONTAINER, INTERESTS_BLOB),
            last_good=self.blobs.get_blob_client(CONTROL_CONTAINER, INTERESTS_BLOB),
            status=Note(self._control.get_blob_client(STATUS_BLOB), InterestStatus),
        )

    @cached_property
    def destinations(self) -> "Destinations":
        """Where events go: the queue always, the Event Grid topic where one is configured."""
        from keywire.publishers import Destinations, QueuePublisher  # noqa: PLC0415

        queue = QueuePublisher(self.queue(EVENTS_QUEUE))
        endpoint = self.settings.event_grid_endpoint
        if endpoint is None:
            return Destinations(queue)
        from keywire import event_grid  # noqa: PLC0415

        topic = event_grid.EventGridPublisher(event_grid.connect(endpoint, self.credential))
        return Destinations(queue, topic)

    @cached_property
    def blobs(self) -> "BlobServiceClient":
        """The blob service."""
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        storage = self.settings.storage
        if storage.connection_string:
            return BlobServiceClient.from_connection_string(storage.connection_string, **_CLIENT_OPTIONS)
        assert storage.blob_service_uri is not None
        return BlobServiceClient(storage.blob_service_uri, self.credential, **_CLIENT_OPTIONS)

    @property
    def _control(self) -> "ContainerClient":
        return self.blobs.get_container_client(CONTROL_CONTAINER)

    @cached_property
    def replay(self) -> "Replay":
        """The replay use case."""
        from keywire.replay import Replay  # noqa: PLC0415

        return Replay(
            queue=self.job_queue,
            pages=lambda name: JobQueue(self.queue(name)),
            poison=lambda name: self.queue(f"{name}-poison", encoded=False),
            documents=self.blobs.get_container_client(KEYWORDS_CONTAINER),
            control=self._control,
            account_id=self.settings.video_indexer.account_id,
        )

    @cached_property
    def health(self) -> "Health":
        """How Keywire is."""
        from keywire.monitoring.health import Health  # noqa: PLC0415
        from keywire.monitoring.interest_check import InterestCheck  # noqa: PLC0415
        from keywire.monitoring.interest_status import STATUS_BLOB, InterestStatus  # noqa: PLC0415
        from keywire.monitoring.last_signals import LastSignals  # noqa: PLC0415
        from keywire.monitoring.probe import PROBE_BLOB, Probe, ProbeResult  # noqa: PLC0415
        from keywire.monitoring.queue_depths import ALL_QUEUES, QueueDepths  # noqa: PLC0415
        from keywire.notes import Note  # noqa: PLC0415
        from keywire.quota import QUOTA_BLOB  # noqa: PLC0415
        from keywire.quota_slices import Ledger  # noqa: PLC0415
        from keywire.sweeps.reconciliation_state import STATE_BLOB, State  # noqa: PLC0415

        blob = self._control.get_blob_client
        return Health(
            depths=QueueDepths(queues={name: self.queue(name, encoded=False) for name in ALL_QUEUES}),
            probe=Probe(client=lambda: self.video_indexer, note=Note(blob(PROBE_BLOB), ProbeResult)),
            interests=InterestCheck(
                file=self.blobs.get_blob_client(CONFIG_CONTAINER, INTERESTS_BLOB),
                status=Note(blob(STATUS_BLOB), InterestStatus),
            ),
            last_signals=LastSignals(self._control),
            reconciliation=Note(blob(STATE_BLOB), State),
            quota=Note(blob(QUOTA_BLOB), Ledger),
        )

    @cached_property
    def poison_keeper(self) -> "PoisonKeeper":
        """Keeps what the host gave up."""
        from keywire.monitoring.queue_depths import WORK_QUEUES  # noqa: PLC0415
        from keywire.poison_keeper import PoisonKeeper  # noqa: PLC0415

        names = [f"{queue}-poison" for queue in WORK_QUEUES]
        return PoisonKeeper(
            queues=[self.queue(name, encoded=False) for name in names],
            encoded=[self.queue(name) for name in names],
        )

    def queue(self, name: str, *, encoded: bool = True) -> "QueueClient":
        """A client of a queue, its messages encoded with base64 as the Functions queue trigger expects.

        Without `encoded` it gives and takes messages as they lie there.
        """
        from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415

        policy = TextBase64EncodePolicy() if encoded else None
        return self.queues.get_queue_client(name, message_encode_policy=policy)

    @cached_property
    def queues(self) -> "QueueServiceClient":
        """The queue service, whose connections all queues share."""
        from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415

        storage = self.settings.storage
        if storage.connection_string:
            return QueueServiceClient.from_connection_string(storage.connection_string, **_CLIENT_OPTIONS)
        assert storage.queue_service_uri is not None
        return QueueServiceClient(storage.queue_service_uri, self.credential, **_CLIENT_OPTIONS)

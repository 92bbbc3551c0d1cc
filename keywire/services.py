"""The clients of one process: made when first needed, shared by all invocations, never closed.

Python Functions have no stop hook, so a client lives as long as its process and nothing depends on its
closing. What only one kind of function needs is imported where it is made: the callback's first answer
after a cold start waits for nothing of the extraction.
"""

import logging
from functools import cached_property
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
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueClient

    from keywire.extraction import Extraction
    from keywire.interest_source import InterestSource
    from keywire.job_runner import JobRunner
    from keywire.publishers import Destinations
    from keywire.rematch_pages import RematchPages

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
for _name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "httpx"):
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
        return self._runner(jobs.QUEUE)

    @cached_property
    def backfill_runner(self) -> "JobRunner":
        """Runs the jobs of the queue `backfill`."""
        return self._runner(jobs.BACKFILL_QUEUE)

    def _runner(self, queue: str) -> "JobRunner":
        from keywire.job_runner import JobRunner  # noqa: PLC0415
        from keywire.poison import PoisonQueue  # noqa: PLC0415

        return JobRunner(
            extraction=self.extraction,
            queue=JobQueue(self.queue(queue)),
            poison=PoisonQueue(self.queue(f"{queue}-poison")),
        )

    @cached_property
    def extraction(self) -> "Extraction":
        """The extraction use case."""
        import httpx  # noqa: PLC0415

        from keywire.extraction import Extraction  # noqa: PLC0415
        from keywire.store import BlobDocumentStore  # noqa: PLC0415
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
        )
        return Extraction(
            source=VideoIndexerClient(
                http,
                tokens,
                endpoint=account.endpoint,
                location=account.location,
                account_id=account.account_id,
                language=account.language,
            ),
            store=BlobDocumentStore(
                self.blobs.get_container_client(KEYWORDS_CONTAINER),
                self.blobs.get_container_client(HISTORY_CONTAINER),
                account.account_id,
            ),
            destinations=self.destinations,
            interests=self.interests,
            account_id=account.account_id,
            event_source=account.resource_id,
        )

    @cached_property
    def rematch_pages(self) -> "RematchPages":
        """The rematch use case."""
        from keywire import rematch_orders  # noqa: PLC0415
        from keywire.rematch import Rematch  # noqa: PLC0415
        from keywire.rematch_pages import RematchPages  # noqa: PLC0415

        return RematchPages(
            Rematch(extraction=self.extraction),
            self.blobs.get_container_client(KEYWORDS_CONTAINER),
            self.blobs.get_container_client(CONTROL_CONTAINER),
            self.queue(rematch_orders.QUEUE),
            self.settings.video_indexer.account_id,
        )

    @cached_property
    def interests(self) -> "InterestSource":
        """What customers care about."""
        from keywire.interest_source import InterestSource  # noqa: PLC0415

        return InterestSource(
            file=self.blobs.get_blob_client(CONFIG_CONTAINER, INTERESTS_BLOB),
            last_good=self.blobs.get_blob_client(CONTROL_CONTAINER, INTERESTS_BLOB),
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

    def queue(self, name: str) -> "QueueClient":
        """A client of a queue, its messages encoded with base64 as the Functions queue trigger expects."""
        from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415
        from azure.storage.queue.aio import QueueClient  # noqa: PLC0415

        storage = self.settings.storage
        encode = TextBase64EncodePolicy()
        if storage.connection_string:
            return QueueClient.from_connection_string(
                storage.connection_string, name, message_encode_policy=encode, **_CLIENT_OPTIONS
            )
        assert storage.queue_service_uri is not None
        return QueueClient(
            storage.queue_service_uri, name, self.credential, message_encode_policy=encode, **_CLIENT_OPTIONS
        )

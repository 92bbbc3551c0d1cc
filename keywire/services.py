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
    EVENTS_QUEUE,
    HISTORY_CONTAINER,
    KEYWORDS_CONTAINER,
    Settings,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.queue.aio import QueueClient

    from keywire.extraction import Extraction

_CLIENT_OPTIONS: Final[dict[str, Any]] = {
    # Three retries after about 2, 4 and 8 seconds: the SDK's own first wait of 18 s outlasts a caller's
    # patience and holds a job's slot for nothing. So do its timeouts, of 20 s and 60 s.
    "retry_total": 3,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # With these, every request reads ~/.netrc anew in another thread, a quarter of its own time. Function apps
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
    def extraction(self) -> "Extraction":
        """The extraction use case."""
        import httpx  # noqa: PLC0415
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        from keywire.extraction import Extraction  # noqa: PLC0415
        from keywire.publishers import QueuePublisher  # noqa: PLC0415
        from keywire.store import BlobDocumentStore  # noqa: PLC0415
        from keywire.video_indexer import AccessTokens, VideoIndexerClient  # noqa: PLC0415

        storage, account = self.settings.storage, self.settings.video_indexer
        if storage.connection_string:
            blobs = BlobServiceClient.from_connection_string(storage.connection_string, **_CLIENT_OPTIONS)
        else:
            assert storage.blob_service_uri is not None
            blobs = BlobServiceClient(storage.blob_service_uri, self.credential, **_CLIENT_OPTIONS)
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
                blobs.get_container_client(KEYWORDS_CONTAINER),
                blobs.get_container_client(HISTORY_CONTAINER),
                account.account_id,
            ),
            publishers=[QueuePublisher(self.queue(EVENTS_QUEUE))],
            account_id=account.account_id,
            event_source=account.resource_id,
        )

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

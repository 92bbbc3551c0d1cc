"""The SDK clients that everything in a process shares. Each is created at its first use and never closed.

A Python function app has no stop hook: a client lives as long as its process, and nothing depends on closing
it. The SDKs are imported at first use: the blob SDK takes 280 ms and httpx 70 ms, and the callback needs
neither.
"""

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from keywire.jobs.queue import MessageQueue
from keywire.settings import Settings
from keywire.storage import layout

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

    from keywire.video_indexer.client import VideoIndexerClient

_OPTIONS: Final[dict[str, Any]] = {
    # Three retries after about 2, 4 and 8 seconds. The SDK's default first wait of 18 s and its timeouts of
    # 20 s and 60 s are longer than a caller waits, and hold a job's slot for nothing.
    "retry_total": 3,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # With it, every request reads ~/.netrc in a thread: a quarter of the request's time. A function app has
    # no proxy and no netrc.
    "use_env_settings": False,
}

# These loggers write whole URLs or a line per request. Keywire logs its own requests, without their queries.
for _name in (
    "azure.core.pipeline.policies.http_logging_policy",
    "azure.identity",
    "azure.monitor.opentelemetry.exporter",
    "httpx",
):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Clients:
    """SDK clients for one process and one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """Keywire's identity."""
        identity = self.settings.identity
        if identity.managed:
            from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - see the module

            return ManagedIdentityCredential(client_id=identity.client_id)
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - see the module

        return DefaultAzureCredential(managed_identity_client_id=identity.client_id)

    @cached_property
    def queues(self) -> "QueueServiceClient":
        """The queue service; all queues share its connections."""
        from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - see the module

        storage = self.settings.storage
        if storage.connection_string:
            return QueueServiceClient.from_connection_string(storage.connection_string, **_OPTIONS)
        assert storage.queue_service_uri is not None
        return QueueServiceClient(storage.queue_service_uri, self.credential, **_OPTIONS)

    def queue(self, name: str, *, encoded: bool = True) -> "QueueClient":
        """Return a client of a queue.

        It encodes messages with base64, as the Functions queue trigger expects; with `encoded=False` it
        neither encodes nor decodes.
        """
        from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415 - see the module

        policy = TextBase64EncodePolicy() if encoded else None
        return self.queues.get_queue_client(name, message_encode_policy=policy)

    def message_queue(self, name: str) -> MessageQueue:
        """Return a queue that a worker processes."""
        return MessageQueue(self.queue(name))

    @cached_property
    def blobs(self) -> "BlobServiceClient":
        """The blob service."""
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415 - see the module

        storage = self.settings.storage
        if storage.connection_string:
            return BlobServiceClient.from_connection_string(storage.connection_string, **_OPTIONS)
        assert storage.blob_service_uri is not None
        return BlobServiceClient(storage.blob_service_uri, self.credential, **_OPTIONS)

    @property
    def keywords(self) -> "ContainerClient":
        """The container of current documents."""
        return self.blobs.get_container_client(layout.KEYWORDS_CONTAINER)

    @property
    def history(self) -> "ContainerClient":
        """The container of versions and event lists."""
        return self.blobs.get_container_client(layout.HISTORY_CONTAINER)

    @property
    def control(self) -> "ContainerClient":
        """The container of notes."""
        return self.blobs.get_container_client(layout.CONTROL_CONTAINER)

    @cached_property
    def video_indexer(self) -> "VideoIndexerClient":
        """Video Indexer; its requests wait for the quota gate."""
        from keywire.services.video_indexer import connect  # noqa: PLC0415 - see the module

        return connect(self.settings.video_indexer, self.credential, self.control)

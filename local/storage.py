"""The insights storage account as an operator sees it: what a deployment creates in it, and looking into it.

Clients here are made by hand rather than through the environment: the process that starts the stack is
no Function and has no managed identity.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from emulators import identity
from keywire.storage import layout

DEAD_LETTERS_CONTAINER: Final = "event-grid-dead-letters"  # of the Event Grid topic, not of Keywire
CONTAINERS: Final = (*layout.CONTAINERS, DEAD_LETTERS_CONTAINER)
QUEUES: Final = layout.ALL_QUEUES


class OperatorCredential:
    """An operator's own sign-in: tokens that the local services take (they check no signature)."""

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """A token for the first of `scopes` that lives an hour."""
        expires_on = int(time.time()) + 3600
        resource = scopes[0].removesuffix("/.default")
        return AccessToken(identity.issue(resource, expires_on=expires_on, signing_key=bytes(32)), expires_on)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@dataclass(frozen=True)
class InsightsStorage:
    """Clients of the account's blob and queue service."""

    blobs: BlobServiceClient
    queues: QueueServiceClient

    def queue(self, name: str) -> QueueClient:
        """A queue whose messages are encoded with base64, as the Functions queue trigger expects."""
        return self.queues.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())

    async def provision(self) -> None:
        """Create what a deployment creates: Keywire itself creates nothing."""
        await asyncio.gather(
            *(self.blobs.create_container(name) for name in CONTAINERS),
            *(self.queues.create_queue(name) for name in QUEUES),
        )


@contextlib.asynccontextmanager
async def connect(
    *, blob_endpoint: str, queue_endpoint: str, authority: Path
) -> AsyncIterator[InsightsStorage]:
    """Clients that trust the local certificate authority; closed at the end."""
    credential = OperatorCredential()
    # `connection_verify` with a file would read it anew for each request.
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authority), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        transport = AioHttpTransport(session=session, session_owner=False)
        async with (
            BlobServiceClient(blob_endpoint, credential, transport=transport) as blobs,
            QueueServiceClient(queue_endpoint, credential, transport=transport) as queues,
        ):
            yield InsightsStorage(blobs, queues)

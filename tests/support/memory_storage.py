"""A storage account in memory: sends to queues, and whole blobs.

It has the operations of the SDK's clients that HTTP handlers need. It has no ETags, leases, metadata, expiry or
visibility timeouts, no encoding of messages, and no pages of listings.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from azure.core.exceptions import ResourceNotFoundError


class MemoryStorage:
    """The account: stands in for both service clients.

    Attributes:
        sent: The texts of the messages of each queue.
        blobs: The content of each blob, by container and name.
        failures: The exception that each operation on a queue or container raises, by its name.
        hangs: Whether no operation ends.
    """

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.failures: dict[str, Exception] = {}
        self.hangs = False

    async def operate(self, name: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if name in self.failures:
            raise self.failures[name]

    def get_queue_client(self, name: str, **_: Any) -> "_Queue":
        return _Queue(self, name)

    def get_container_client(self, name: str) -> "_Container":
        return _Container(self, name)

    def get_blob_client(self, container: str, name: str) -> "_Blob":
        return _Blob(self, container, name)


class _Queue:
    def __init__(self, storage: MemoryStorage, name: str) -> None:
        self._storage = storage
        self.queue_name = name

    async def send_message(self, text: str, **_: Any) -> None:
        await self._storage.operate(self.queue_name)
        self._storage.sent.setdefault(self.queue_name, []).append(text)


class _Container:
    def __init__(self, storage: MemoryStorage, name: str) -> None:
        self._storage = storage
        self._name = name

    def get_blob_client(self, name: str) -> "_Blob":
        return _Blob(self._storage, self._name, name)

    async def upload_blob(self, name: str, body: bytes, **options: Any) -> None:
        await self.get_blob_client(name).upload_blob(body, **options)

    async def download_blob(self, name: str) -> "_Download":
        return await self.get_blob_client(name).download_blob()

    async def list_blob_names(self, *, name_starts_with: str) -> AsyncIterator[str]:
        await self._storage.operate(self._name)
        for container, name in sorted(self._storage.blobs):
            if container == self._name and name.startswith(name_starts_with):
                yield name


class _Blob:
    def __init__(self, storage: MemoryStorage, container: str, name: str) -> None:
        self._storage = storage
        self._place = container, name

    async def upload_blob(self, body: bytes, **_: Any) -> None:
        await self._storage.operate(self._place[0])
        self._storage.blobs[self._place] = body

    async def download_blob(self) -> "_Download":
        await self._storage.operate(self._place[0])
        if self._place not in self._storage.blobs:
            raise ResourceNotFoundError
        return _Download(self._storage.blobs[self._place])


class _Download:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def readall(self) -> bytes:
        return self._body

"""Blob and queue storage in memory, with the semantics of ETags, for tests that decide who goes when.

It has what `keywire.versions`, `keywire.interests.source` and `keywire.storage.notes` use of the SDK's clients, and
raises the SDK's errors. Each request is two scheduling points: before its effect, and after it. Left out are paging,
leases, append blobs, copies, tiers, and downloads in parts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)

type Gate = Callable[[str], Awaitable[None]]


async def _open(_: str) -> None:
    return


@dataclass
class _Stored:
    body: bytes
    metadata: dict[str, str]
    etag: str
    modified: datetime


@dataclass
class EtagStorage:
    """The service: containers of blobs, and a clock that ticks with each request.

    Attributes:
        gate: Awaited before and after the effect of each request, with the request's name.
        named: The event lists that a current document's metadata ever named.
    """

    gate: Gate = _open
    named: set[str] = field(default_factory=set)
    _containers: dict[str, dict[str, _Stored]] = field(default_factory=dict)
    _requests: int = 0

    def now(self) -> datetime:
        """The time on the service's clock; a second passes with each request."""
        return datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(seconds=self._requests)

    def container(self, name: str) -> Any:
        """A client of a container whose requests pass the gate."""
        return _Container(self, name, self.gate)

    def blobs(self, container: str) -> dict[str, _Stored]:
        return self._containers.setdefault(container, {})

    def put(self, container: str, name: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        """Write a blob at once, without a client."""
        self._requests += 1
        etag = f"0x{self._requests:x}"
        self.blobs(container)[name] = _Stored(body, dict(metadata or {}), etag, self.now())
        if container == "keywords" and metadata and "list" in metadata:
            self.named.add(f"{name.removesuffix('.json')}/{metadata['list']}")

    def delete(self, container: str, name: str) -> None:
        """Delete a blob at once, without a client."""
        del self.blobs(container)[name]


class _Container:
    def __init__(self, storage: EtagStorage, name: str, gate: Gate) -> None:
        self._storage = storage
        self._gate = gate
        self.container_name = name

    def get_blob_client(self, name: str) -> "_Blob":
        return _Blob(self._storage, self.container_name, name, self._gate)

    async def upload_blob(self, name: str, body: bytes, **options: Any) -> Any:
        return await self.get_blob_client(name).upload_blob(body, **options)

    async def download_blob(self, name: str, **options: Any) -> Any:
        return await self.get_blob_client(name).download_blob(**options)

    async def delete_blob(self, name: str) -> None:
        await self.get_blob_client(name).delete_blob()

    async def list_blob_names(self, name_starts_with: str) -> AsyncIterator[str]:
        await self._gate("list")
        found = sorted(
            name for name in self._storage.blobs(self.container_name) if name.startswith(name_starts_with)
        )
        await self._gate("list")
        for name in found:
            yield name


class _Blob:
    def __init__(self, storage: EtagStorage, container: str, name: str, gate: Gate) -> None:
        self._storage = storage
        self._gate = gate
        self.container_name = container
        self.blob_name = name
        self.url = f"https://memory.test/{container}/{name}"

    async def upload_blob(
        self,
        body: bytes,
        *,
        overwrite: bool = False,
        metadata: dict[str, str] | None = None,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
        **_: Any,
    ) -> Any:
        await self._gate("upload")
        current = self._current
        if current is not None and not overwrite:
            raise _failed(ResourceExistsError, 409)
        self._check(current, etag, match_condition)
        self._storage.put(self.container_name, self.blob_name, body, metadata)
        return await self._written()

    async def set_blob_metadata(
        self,
        metadata: dict[str, str],
        *,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> Any:
        await self._gate("set metadata")
        current = self._current
        if current is None:
            raise _failed(ResourceNotFoundError, 404)
        self._check(current, etag, match_condition)
        self._storage.put(self.container_name, self.blob_name, current.body, metadata)
        return await self._written()

    async def download_blob(self, **options: Any) -> Any:
        properties, body = await self._read("download", **options)

        async def readall() -> bytes:
            return body

        return SimpleNamespace(properties=properties, readall=readall)

    async def get_blob_properties(self, **options: Any) -> Any:
        properties, _ = await self._read("properties", **options)
        return properties

    async def delete_blob(self) -> None:
        await self._gate("delete")
        if self._storage.blobs(self.container_name).pop(self.blob_name, None) is None:
            raise _failed(ResourceNotFoundError, 404)
        await self._gate("delete")

    async def _read(
        self,
        request: str,
        *,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
        raw_response_hook: Callable[[Any], None] | None = None,
    ) -> tuple[Any, bytes]:
        await self._gate(request)
        current = self._current
        if raw_response_hook is not None:
            headers = {"Date": format_datetime(self._storage.now(), usegmt=True)}
            raw_response_hook(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        if current is None:
            raise _failed(ResourceNotFoundError, 404)
        self._check(current, etag, match_condition)
        properties = SimpleNamespace(
            etag=current.etag, metadata=dict(current.metadata), last_modified=current.modified
        )
        body = current.body
        await self._gate(request)
        return properties, body

    async def _written(self) -> Any:
        written = self._current
        assert written is not None
        answer = {"etag": written.etag, "last_modified": written.modified}
        await self._gate("written")
        return answer

    @property
    def _current(self) -> _Stored | None:
        return self._storage.blobs(self.container_name).get(self.blob_name)

    @staticmethod
    def _check(current: _Stored | None, etag: str | None, condition: MatchConditions | None) -> None:
        if condition is MatchConditions.IfNotModified and (current is None or current.etag != etag):
            raise _failed(ResourceModifiedError, 412)
        if condition is MatchConditions.IfModified and current is not None and current.etag == etag:
            raise _failed(ResourceNotModifiedError, 304)


class MemoryQueue:
    """A queue that keeps what is sent to it."""

    def __init__(self, gate: Gate, sent: list[bytes]) -> None:
        self._gate = gate
        self.sent = sent

    async def send_message(self, text: str, **_: Any) -> None:
        await self._gate("send")
        self.sent.append(text.encode())
        await self._gate("send")


def _failed(kind: type[HttpResponseError], status: int) -> HttpResponseError:
    error = kind(message=str(status))
    error.status_code = status
    return error


async def spin() -> None:
    """Let every task run until it waits at a gate or for another task."""
    for _ in range(30):
        await asyncio.sleep(0)

"""A few hundred steps of the editions machine on Azurite: its ETags, conditions and listings instead of our own."""

import asyncio
import itertools
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from emulators.azurite import Azurite
from emulators.framework.certificates import Certificates
from local import storage
from local.storage import InsightsStorage
from tests.support.editions_machine import BROKEN, EditionsMachine, Stored

STEPS = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
CONTAINERS = ("keywords", "keywords-history", "config", "control")


class AzuriteStorage:
    """Containers of their own on Azurite; each request waits at the gate before it is sent, and when it is answered.

    Attributes:
        named: The event lists that a current document's metadata ever named.
        in_flight: Requests that were sent and not answered yet.
    """

    def __init__(
        self, machine: "AzuriteMachine", gate: Callable[[str], Awaitable[None]], connected: InsightsStorage
    ) -> None:
        self.named: set[str] = set()
        self.in_flight = 0
        self._machine = machine
        self._gate = gate
        self._suffix = uuid.uuid4().hex[:8]
        self._blobs = connected.blobs
        for name in CONTAINERS:
            machine.run(self._client(name).create_container())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def container(self, name: str) -> Any:
        return _Container(self, name, self._client(name))

    def blobs(self, container: str) -> Mapping[str, Stored]:
        async def read() -> dict[str, Stored]:
            found: dict[str, Stored] = {}
            async for name in self._client(container).list_blob_names():
                download = await self._client(container).download_blob(name)
                found[name] = SimpleNamespace(
                    body=await download.readall(), metadata=dict(download.properties.metadata or {})
                )
            return found

        return self._machine.run(read())

    def put(self, container: str, name: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        self._machine.run(
            self._client(container).upload_blob(name, body, overwrite=True, metadata=metadata or {})
        )

    def delete(self, container: str, name: str) -> None:
        self._machine.run(self._client(container).delete_blob(name))

    async def request[T](self, kind: str, action: Callable[[], Awaitable[T]]) -> T:
        await self._gate(kind)
        self.in_flight += 1
        try:
            return await action()
        finally:
            self.in_flight -= 1
            await self._gate(kind)

    def close(self) -> None:
        for name in CONTAINERS:
            self._machine.run(self._client(name).delete_container())

    def _client(self, name: str) -> Any:
        return self._blobs.get_container_client(f"{name}-{self._suffix}")


class _Container:
    def __init__(self, owner: AzuriteStorage, name: str, client: Any) -> None:
        self._owner = owner
        self._name = name
        self._client = client
        self.container_name = name

    def get_blob_client(self, name: str) -> "_Blob":
        return _Blob(self._owner, self._name, self._client.get_blob_client(name))

    async def upload_blob(self, name: str, body: bytes, **options: Any) -> Any:
        return await self.get_blob_client(name).upload_blob(body, **options)

    async def download_blob(self, name: str, **options: Any) -> Any:
        return await self.get_blob_client(name).download_blob(**options)

    async def delete_blob(self, name: str) -> None:
        await self._owner.request("delete", lambda: self._client.delete_blob(name))

    async def list_blob_names(self, name_starts_with: str) -> Any:
        async def read() -> list[str]:
            return [name async for name in self._client.list_blob_names(name_starts_with=name_starts_with)]

        for name in await self._owner.request("list", read):
            yield name


class _Blob:
    def __init__(self, owner: AzuriteStorage, container: str, client: Any) -> None:
        self._owner = owner
        self._client = client
        self.container_name = container
        self.blob_name: str = client.blob_name
        self.url: str = client.url

    async def upload_blob(self, body: bytes, **options: Any) -> Any:
        return await self._write("upload", options.get("metadata"), self._client.upload_blob, body, options)

    async def set_blob_metadata(self, metadata: dict[str, str], **options: Any) -> Any:
        return await self._write("set metadata", metadata, self._client.set_blob_metadata, metadata, options)

    async def download_blob(self, **options: Any) -> Any:
        async def read() -> Any:
            download = await self._client.download_blob(**options)
            body = await download.readall()

            async def readall() -> bytes:
                return bytes(body)

            return SimpleNamespace(properties=download.properties, readall=readall)

        return await self._owner.request("download", read)

    async def get_blob_properties(self, **options: Any) -> Any:
        return await self._owner.request("properties", lambda: self._client.get_blob_properties(**options))

    async def delete_blob(self) -> None:
        await self._owner.request("delete", self._client.delete_blob)

    async def _write(
        self,
        kind: str,
        metadata: dict[str, str] | None,
        operation: Callable[..., Awaitable[Any]],
        content: Any,
        options: dict[str, Any],
    ) -> Any:
        async def write() -> Any:
            answer = await operation(content, **options)
            if self.container_name == "keywords" and metadata and "list" in metadata:
                self._owner.named.add(f"{self.blob_name.removesuffix('.json')}/{metadata['list']}")
            return answer

        return await self._owner.request(kind, write)


class AzuriteMachine(EditionsMachine):
    """The machine on Azurite. Its queue is in memory.

    A broken interests file is left out: Azure Storage tells the time of a write in whole seconds, and which of two
    files of one second is the newer good one nobody can say.
    """

    azurite: Azurite
    certificates: Certificates
    steps = itertools.count()

    def run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def new_storage(self) -> AzuriteStorage:
        self._connection = storage.connect(
            blob_endpoint=self.azurite.blob_endpoint,
            queue_endpoint=self.azurite.queue_endpoint,
            authority=self.certificates.authority,
        )
        connected = self.run(self._connection.__aenter__())
        self._azurite_storage = AzuriteStorage(self, self.gate, connected)
        return self._azurite_storage

    async def settle(self) -> None:
        next(self.steps)
        async with asyncio.timeout(30):
            while self._azurite_storage.in_flight or any(
                not task.done() and not self.gates[process] for process, (_, task) in self.running.items()
            ):
                await asyncio.sleep(0.0005)

    def write_file(self, file: bytes) -> None:
        if file != BROKEN:
            super().write_file(file)

    def teardown(self) -> None:
        for _, task in self.running.values():
            task.cancel()
        self.gates.clear()
        self.run(self.settle())
        self._azurite_storage.close()
        self.run(self._connection.__aexit__(None, None, None))
        self.loop.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Hundreds of jobs log nothing."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
def test_consumers_end_equal_to_a_fresh_match_on_azurite(azurite: Azurite, issued: Certificates) -> None:
    machine = type("Machine", (AzuriteMachine,), {"azurite": azurite, "certificates": issued})
    run_state_machine_as_test(machine, settings=STEPS)
    assert next(AzuriteMachine.steps) > 300

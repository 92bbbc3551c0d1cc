"""Fuzz tests of the running app: its processes, their logs, and raw HTTP."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from emulators.framework.checkout import PROJECT
from emulators.functions_host.functions import HTTP_GROUP
from emulators.functions_host.supervisor import FunctionsHost
from local.stack import ACCOUNT, LocalStack


@dataclass
class RunningApp:
    """Some processes of the app on a stack of their own, with their log."""

    stack: LocalStack
    host: FunctionsHost
    log: io.StringIO

    def check(self, *secrets: str) -> None:
        """Check that every process still runs and that no log line has one of `secrets`."""
        assert [each.returncode for group in self.host.processes.values() for each in group] == [None] * len(
            self.host.processes
        )
        lines = self.log.getvalue().splitlines()
        assert len(lines) > 10
        assert [line for line in lines if any(secret in line for secret in secrets)] == []


@contextlib.asynccontextmanager
async def running_app(
    groups: Sequence[str] = (), *, directory: Path = PROJECT, **settings: str
) -> AsyncIterator[RunningApp]:
    """Run the HTTP process of the app and one process of each of `groups`; Video Indexer has no rate limit."""
    log = io.StringIO()
    emulator = replace(ACCOUNT, requests_per_second=None, requests_per_minute=None)
    async with LocalStack(with_host=False, emulator=emulator) as stack:
        host = FunctionsHost(directory, stack.app_environment() | settings, log=log)
        try:
            for group in (HTTP_GROUP, *groups):
                await host.start(group)
            yield RunningApp(stack, host, log)
        finally:
            await asyncio.gather(
                *(process.child.stop() for group in host.processes.values() for process in group)
            )


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RawHttp:
    """A client that sends requests byte for byte, over one connection while it stays open."""

    url: str
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, init=False)

    async def post(self, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Answer:
        """Post `body`. A server that closes two connections before it responds fails the test."""
        lines = [b"POST " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Content-Length: %d" % len(body)]
        lines += [name + b": " + value for name, value in headers]
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        async with asyncio.timeout(30):
            try:
                return await self._send(request)
            except (ConnectionError, asyncio.IncompleteReadError):
                await self.close()  # the server may have closed an idle connection
                return await self._send(request)

    async def _send(self, request: bytes) -> Answer:
        if self._streams is None:
            split = urlsplit(self.url)
            self._streams = await asyncio.open_connection(split.hostname, split.port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding"):
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return Answer(int(status.split()[1]), headers, body)

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
        self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


async def taken(queue: QueueClient) -> list[QueueMessage]:
    """Remove all visible messages from a queue and return them."""
    found = []
    async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=60):
        found.append(message)
        await queue.delete_message(message)
    return found

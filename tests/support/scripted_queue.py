"""A queue service over plain HTTP that responds to each send with the next status of a script.

Azurite can't fail once on request, and can't show a request. This service has no authentication and no other
operation.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_SENT = b"<QueueMessagesList><QueueMessage><MessageId>m</MessageId></QueueMessage></QueueMessagesList>"


@dataclass
class ScriptedQueue:
    """A running service.

    Attributes:
        port: Its port on 127.0.0.1.
        requests: The request lines that it received.
    """

    port: int
    requests: list[str] = field(default_factory=list)

    @property
    def connection_string(self) -> str:
        """The connection string for both services; its account key is not a secret."""
        address = f"http://127.0.0.1:{self.port}/a"
        return (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;"
            f"BlobEndpoint={address};QueueEndpoint={address};"
        )


@asynccontextmanager
async def scripted_queue(statuses: Sequence[str]) -> AsyncIterator[ScriptedQueue]:
    """Serve until the block ends; after the script, the service closes each connection without a response."""
    script = iter(statuses)
    requests: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        requests.append(head.partition("\r\n")[0])
        await reader.readexactly(int(head.lower().partition("content-length: ")[2].split("\r\n")[0]))
        if status := next(script, None):
            fields = f"Content-Type: application/xml\r\nConnection: close\r\nContent-Length: {len(_SENT)}"
            writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + _SENT)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield ScriptedQueue(server.sockets[0].getsockname()[1], requests)

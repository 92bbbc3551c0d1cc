"""A queue service that answers each send with the next status of a script, over plain HTTP.

For what Azurite can't be asked to do: to fail for a moment, and to show a request as it came. It knows no
authentication and no other operation.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_SENT = b"<QueueMessagesList><QueueMessage><MessageId>m</MessageId></QueueMessage></QueueMessagesList>"


@dataclass
class ScriptedQueue:
    """A running one.

    Attributes:
        port: Where it listens on 127.0.0.1.
        requests: The request lines that came.
    """

    port: int
    requests: list[str] = field(default_factory=list)

    @property
    def connection_string(self) -> str:
        """For both services of an account that has a key, but not a secret one."""
        address = f"http://127.0.0.1:{self.port}/a"
        return (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;"
            f"BlobEndpoint={address};QueueEndpoint={address};"
        )


@asynccontextmanager
async def scripted_queue(statuses: Sequence[str]) -> AsyncIterator[ScriptedQueue]:
    """Serve until the block ends; a send beyond the script finds the connection closed."""
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

"""ASGI servers on free loopback ports, several in one event loop.

uvicorn's own start takes over the process's signals, which two servers in one loop can't share:
whoever owns the loop decides when they end.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """uvicorn without its signal handlers; `ready` is set when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


def listen(port: int) -> socket.socket:
    """Bind a port of 127.0.0.1 (0: a free one).

    With the protocol named: asyncio sets TCP_NODELAY only on sockets that say they are TCP, and without it
    every response waits for the client's delayed acknowledgement, 40 ms.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


@contextlib.asynccontextmanager
async def serve(
    app: "ASGIApp", *, port: int = 0, certificate: Path | None = None, key: Path | None = None
) -> AsyncIterator[str]:
    """Serve `app` on 127.0.0.1 and yield its base URL; HTTPS when there is a certificate."""
    listener = listen(port)
    config = uvicorn.Config(
        app,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        # Longer than any client keeps a connection: who uses one that is just being closed gets an error.
        timeout_keep_alive=130,
        backlog=512,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ready.cancel()
        server.should_exit = True
        await task

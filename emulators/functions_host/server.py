"""uvicorn, run inside the host's loop: its socket, its signals and its log are the host's.

uvicorn takes httptools and uvloop when they are installed; neither is needed.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from emulators.framework.servers import Server
from emulators.functions_host.lifetime import DRAIN_SECONDS


async def serve(
    application: Any,
    listening: socket.socket,
    *,
    on_ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Serve an ASGI application until `stop` is set, then let requests end."""
    config = uvicorn.Config(
        application,
        access_log=False,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
        timeout_keep_alive=130,  # Kestrel's, which the real host is served by
        ws="none",
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    ready, stopping = asyncio.create_task(server.ready.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    if server.ready.is_set():
        on_ready()
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    ready.cancel()
    stopping.cancel()

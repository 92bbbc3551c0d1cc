"""The process that plays Azure's own part: identity endpoint, Event Grid, Video Indexer and Resource Manager.

A process of its own, so that what it costs is not counted as Keywire's. It prints its addresses as one
JSON line when it listens, and ends at SIGTERM or when its standard input does.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from emulators import event_grid, identity, video_indexer
from emulators.event_grid import TopicConfig
from emulators.framework.servers import serve
from emulators.video_indexer import EmulatorConfig


async def run(arguments: argparse.Namespace, config: dict[str, Any]) -> None:
    """Serve until told to end."""
    ended = asyncio.Event()
    end_with_parent(ended)
    async with contextlib.AsyncExitStack() as servers:
        identity_url = await servers.enter_async_context(
            serve(identity.create_app(os.environ["IDENTITY_HEADER"]), port=arguments.identity_port)
        )
        video_indexer_url = await servers.enter_async_context(
            serve(
                video_indexer.create_app(
                    EmulatorConfig(**config | {"arm_audience": tuple(config["arm_audience"])})
                ),
                port=arguments.video_indexer_port,
                certificate=arguments.certificate,
                key=arguments.key,
            )
        )
        event_grid_url = await servers.enter_async_context(
            serve(
                event_grid.create_app(TopicConfig(client_id=config["client_id"])),
                port=arguments.event_grid_port,
                certificate=arguments.certificate,
                key=arguments.key,
            )
        )
        addresses = {
            "ready": True,
            "identity": f"{identity_url}/msi/token",
            "videoIndexer": video_indexer_url,
            "eventGrid": event_grid_url,
        }
        print(json.dumps(addresses), flush=True)
        await ended.wait()


def end_with_parent(ended: asyncio.Event) -> None:
    """Set `ended` at SIGTERM and at the end of standard input."""
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(ended.set)

    signal.signal(signal.SIGTERM, end)

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock must be free when the interpreter ends
            pass
        with contextlib.suppress(RuntimeError):  # the loop may be closed already
            end()

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--identity-port", type=int, default=0)
    parser.add_argument("--video-indexer-port", type=int, default=0)
    parser.add_argument("--event-grid-port", type=int, default=0)
    parser.add_argument("--config", type=json.loads, required=True, help="EmulatorConfig as JSON")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(run(arguments, arguments.config))


if __name__ == "__main__":
    main()

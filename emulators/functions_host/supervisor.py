"""The host as a whole: one child process for each function group, started, watched and ended together.

The parent never imports the app. The HTTP process starts first; its ready line names all functions of the
app, and from that the other groups start at the same time.
"""

import asyncio
import json
import logging
import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, Self, TextIO

from emulators.framework.checkout import PROJECT
from emulators.framework.processes import ChildProcess, inherited, python
from emulators.functions_host.functions import HTTP_GROUP

LOG_LINES: Final = 20_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostProcess:
    """One running (or ended) process of a group."""

    group: str
    child: ChildProcess
    url: str | None
    functions: Sequence[str]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.child.returncode


class FunctionsHost:
    """A running function app; `async with` starts and ends it.

    Args:
        app_directory: The folder with `function_app.py`.
        environment: The app settings and `FUNCTIONS_HOST_*`; of its machine's a process gets little else.
        instances: How many processes a group has, 1 where it isn't named, 0 to leave it out.
        log: Where the processes' log lines go besides `logs()`.
        start_seconds: How long a process may take until it's ready.
    """

    def __init__(
        self,
        app_directory: Path,
        environment: Mapping[str, str],
        instances: Mapping[str, int] | None = None,
        *,
        log: TextIO | None = None,
        start_seconds: float = 60.0,
    ) -> None:
        self._app = app_directory.resolve()
        self._environment = _environment(environment)
        self._instances = dict(instances or {})
        self._lines = _Lines(log)
        self._start_seconds = start_seconds
        self._processes: dict[str, list[HostProcess]] = {}
        self._started: Counter[str] = Counter()
        self._functions: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT` of the first running HTTP process."""
        for process in self._processes.get(HTTP_GROUP, ()):
            if process.returncode is None and process.url is not None:
                return process.url
        raise RuntimeError("No HTTP process of the Functions host is running")

    @property
    def functions(self) -> Sequence[Mapping[str, Any]]:
        """The app's functions: name, trigger, group, supported, and the queue where there is one."""
        return self._functions

    @property
    def processes(self) -> Mapping[str, Sequence[HostProcess]]:
        """Every process that was started, by group; a killed one keeps its place."""
        return self._processes

    def logs(self) -> str:
        """The last lines that the processes logged, each with the name of its group."""
        return self._lines.text()

    async def start(self, group: str, *, port: int = 0) -> HostProcess:
        """Start one more process of a group; on `port`, where it listens on one and that is free.

        Raises:
            ProcessFailedError: It ended before it was ready; the message has its last log lines.
        """
        self._started[group] += 1
        child = ChildProcess(
            name=f"{group}#{self._started[group]}" if self._started[group] > 1 else group,
            command=python(
                *("-m", "emulators.functions_host", "--app", str(self._app), "--group", group),
                *("--port", str(port), "--exit-with-stdin"),
            ),
            environment=self._environment,
            directory=self._app,
            log=self._lines,
        )
        (line,) = await child.start(ready=['"ready": true'], seconds=self._start_seconds)
        said = json.loads(line)
        process = HostProcess(group, child, said["url"], tuple(said["functions"]))
        self._processes.setdefault(group, []).append(process)
        self._functions = said["app"]
        return process

    async def kill(self, group: str, index: int = 0) -> None:
        """Kill a process, as a machine is lost: what it has in work never ends, its messages stay locked."""
        await self._processes[group][index].child.kill()

    async def __aenter__(self) -> Self:
        try:
            await self.start(HTTP_GROUP)
            wanted = {HTTP_GROUP: self._instances.get(HTTP_GROUP, 1) - 1}
            for function in self._functions:
                if function["group"] == HTTP_GROUP:
                    continue
                if not function["supported"]:
                    logger.warning("%s isn't started: the local host lacks its trigger", function["name"])
                    continue
                wanted[function["group"]] = self._instances.get(function["group"], 1)
            async with asyncio.TaskGroup() as starting:
                for group, count in wanted.items():
                    for _ in range(count):
                        starting.create_task(self.start(group))
        except ExceptionGroup as errors:
            await self._stop()
            raise errors.exceptions[0] from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(
            *(process.child.stop() for group in self._processes.values() for process in group),
            return_exceptions=True,
        )


class _Lines(StringIO):
    """A text stream that keeps its last lines, and hands them on."""

    def __init__(self, sink: TextIO | None) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._sink = sink

    def write(self, text: str, /) -> int:
        if text.strip():
            self._lines.append(text.rstrip("\n"))
        if self._sink is not None:
            self._sink.write(text)
        return len(text)

    def flush(self) -> None:
        if self._sink is not None:
            self._sink.flush()

    def text(self) -> str:
        return "\n".join(self._lines)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    paths = [str(PROJECT), *filter(None, [settings.get("PYTHONPATH")])]
    return {**inherited(), **settings, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}

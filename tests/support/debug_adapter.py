"""A debugger's side of the Debug Adapter Protocol, with what breakpoints need.

https://microsoft.github.io/debug-adapter-protocol/ and debugpy's own event `debugpyAttach`, which starts a session
for each child process.
"""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

from emulators.framework.checkout import PROJECT
from tests.support.waiting import PATIENCE_SECONDS


class Debugger:
    """A debugger of one program and its child processes; it ends the program at its exit.

    Args:
        breakpoints: The line of a breakpoint in each file.

    Attributes:
        output: The output of the program.
        stops: The functions in which it stopped; it continues at once.
        pid: Its process id.
        ended: Set when it has ended.
    """

    def __init__(self, breakpoints: Mapping[Path, int]) -> None:
        self._breakpoints = breakpoints
        self._sessions = asyncio.TaskGroup()
        self._parent: _Connection | None = None
        self.output = ""
        self.stops: list[str] = []
        self.pid = 0
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._sessions.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._parent is not None and not self.ended.is_set():
            await self._parent.ask("disconnect", terminateDebuggee=True)
        # Without the failure, so that the sessions are not cancelled: they end with the processes.
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._sessions.__aexit__(None, None, None)

    async def launch(self, port: int, configuration: Mapping[str, Any]) -> None:
        """Start a program with a configuration of `launch.json`."""
        self._parent = await _Connection.open("127.0.0.1", port)
        self._sessions.create_task(self._serve(self._parent, "launch", configuration))

    async def _attach(self, configuration: Mapping[str, Any]) -> None:
        place = configuration["connect"]
        connection = await _Connection.open(place["host"], place["port"])
        await self._serve(connection, "attach", configuration)

    async def _serve(self, connection: "_Connection", request: str, configuration: Mapping[str, Any]) -> None:
        await connection.ask("initialize", adapterID="debugpy", pathFormat="path")
        connection.send(request, **configuration)
        async for event, body in connection.events():
            match event:
                case "initialized":
                    for file, line in self._breakpoints.items():
                        await connection.ask(
                            "setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}]
                        )
                    await connection.ask("configurationDone")
                case "output":
                    self.output += body["output"]
                case "debugpyAttach":
                    self._sessions.create_task(self._attach(body))
                case "stopped":
                    found = await connection.ask("stackTrace", threadId=body["threadId"])
                    self.stops.append(found["stackFrames"][0]["name"])
                    await connection.ask("continue", threadId=body["threadId"])
                case "process" if connection is self._parent:
                    self.pid = body["systemProcessId"]
                case "terminated":
                    await connection.ask("disconnect")
        if connection is self._parent:
            self.ended.set()


class _Connection:
    """A connection: requests with their responses, and events in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; return its number."""
        number = next(self._numbers)
        body = json.dumps({"type": "request", "seq": number, "command": command, "arguments": arguments})
        self._writer.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii"))
        return number

    async def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request; return the body of the response, or {} if the connection is closed."""
        answer = asyncio.get_running_loop().create_future()
        self._answers[self.send(command, **arguments)] = answer
        if self._reading.done():
            return {}
        found: dict[str, Any] = await answer
        return found

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the events until the connection is closed."""
        while (message := await self._events.get()) is not None:
            yield message["event"], message.get("body", {})
        self._writer.close()
        await self._reading

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self._reader.readuntil(b"\r\n\r\n")
                message = json.loads(await self._reader.readexactly(int(head.partition(b":")[2])))
                if message["type"] == "event":
                    await self._events.put(message)
                elif (answer := self._answers.pop(message.get("request_seq"), None)) is not None:
                    answer.set_result(message.get("body", {}))
        for answer in self._answers.values():
            answer.set_result({})
        await self._events.put(None)


@contextlib.asynccontextmanager
async def debug_adapter(port: int) -> AsyncIterator[None]:
    """Run debugpy's adapter on `port`, as an editor does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "debugpy.adapter", "--port", str(port)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

"""The host's own endpoints: run any function that isn't HTTP by hand, and ask how the host is.

`POST /admin/functions/{name}` with `{"input": "..."}` starts the function in this process and answers 202
without waiting, so nothing tells the caller how it went: the log does. A queue function gets the text as its
message (with no id and a dequeue count of 0), an Event Hub function as an event, a timer function ignores it.
There is no retry and no poison queue behind such a run.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from emulators.functions_host import events, messages
from emulators.functions_host.bindings import EventHubTrigger, QueueTrigger, TimerTrigger
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import Function
from emulators.functions_host.lifetime import drain
from emulators.functions_host.requests import Response, empty, json_response
from emulators.functions_host.timers import timer_data


class Admin:
    """The endpoints under `/admin`."""

    def __init__(self, functions: Sequence[Function], executor: Executor) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._executor = executor
        self._started = time.monotonic()
        self._running: set[asyncio.Task[Any]] = set()

    def answer(self, method: str, raw_path: bytes, *, content_type: str, body: bytes) -> Response:
        """Answer a request, already allowed, to a path under `/admin/`."""
        match method, raw_path.decode("ascii", "replace").strip("/").lower().split("/"):
            case "GET", ["admin", "host", "status"]:
                return json_response(200, json.dumps(self._status()).encode())
            case "POST", ["admin", "functions", name]:
                return self._run(name, content_type, body)
        return empty(404)

    async def finish(self) -> None:
        """Let the runs that it started end."""
        await drain(self._running)

    def _status(self) -> dict[str, object]:
        return {
            "id": "local",
            "state": "Running",
            "processUptime": round((time.monotonic() - self._started) * 1000),
            "functionCount": len(self._functions),
        }

    def _run(self, name: str, content_type: str, body: bytes) -> Response:
        function = self._functions.get(name)
        if function is None:
            return empty(404)
        if "json" not in content_type.lower():
            return empty(415)
        try:
            text = json.loads(body).get("input")
        except (ValueError, AttributeError):
            return empty(400)
        if function.unsupported:
            return empty(501)
        match function.trigger:
            case QueueTrigger(parameter=parameter, binary=binary):
                data = messages.trigger_data(_text(text).encode(), binary=binary)
                run = self._executor.run(function, [(parameter, data)], messages.trigger_metadata())
            case EventHubTrigger() as trigger:
                (batch,) = events.batches(trigger, [_text(text).encode()])
                run = self._executor.run(function, batch.inputs, batch.metadata)
            case TimerTrigger(parameter=parameter):
                run = self._executor.run(function, [(parameter, timer_data(past_due=False))])
            case _:
                return empty(400)
        task = asyncio.create_task(run, name=f"admin:{function.name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return empty(202)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)

"""One process of the host: index the app, serve its group, say so, stop when asked.

The group "http" answers HTTP and `/admin`; "function:NAME" listens for that one function, which for an
Event Hub means on a port. All index the
whole app, as an instance in Azure does. Modules that only one kind of group needs are imported where it's
served: a process has to start quickly.
"""

import argparse
import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TextIO

from emulators.functions_host import host_json
from emulators.functions_host.bindings import EventHubTrigger, QueueOutput, QueueTrigger, TimerTrigger
from emulators.functions_host.connections import QueueServices, check_event_hub, resolve
from emulators.functions_host.errors import HostStartError, UnsupportedBindingError
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import HTTP_GROUP, Function
from emulators.functions_host.keys import Keys
from emulators.functions_host.lifetime import stop_with_signals, stop_with_stdin
from emulators.functions_host.logs import claim_stdout, configure
from emulators.functions_host.outputs import QueueOutputs
from emulators.functions_host.worker import Worker

LOCK_SECONDS: Final = 600  # fixed in the extension; shorter only where a test waits for a lock to end

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """What runs the function of a group that isn't HTTP."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run it until `stop` is set, then let what runs end."""


def main(arguments: list[str] | None = None) -> int:
    """Run the process; returns its exit code."""
    options = _parser().parse_args(arguments)
    process = Process(options.app.resolve(), options.group or "", os.environ, claim_stdout())
    configure(os.environ)
    try:
        if options.list:
            asyncio.run(process.list_functions())
        else:
            asyncio.run(process.serve(options.port, exit_with_stdin=options.exit_with_stdin))
    except HostStartError as error:
        logger.error("The Functions host can't start: %s", error)  # noqa: TRY400 - the message says it all
        return 1
    return 0


class Process:
    """The process of one group of an app."""

    def __init__(self, app: Path, group: str, environment: Mapping[str, str], stdout: TextIO) -> None:
        self._app = app
        self._group = group
        self._environment = environment
        self._stdout = stdout

    async def list_functions(self) -> None:
        """Say which functions the app has."""
        worker = await Worker.start(self._app, self._environment)
        self._say({"functions": [function.describe() for function in worker.functions]})

    async def serve(self, port: int, *, exit_with_stdin: bool) -> None:
        """Serve the group until the process is asked to stop."""
        stop = asyncio.Event()
        if exit_with_stdin:
            stop_with_stdin(stop)
        worker = await Worker.start(self._app, self._environment)
        settings = host_json.read(self._app)
        served = [function for function in worker.functions if function.group == self._group]
        self._check(served)
        stop_with_signals(stop)
        services = QueueServices(self._environment)
        outputs = QueueOutputs(services, settings.queues.message_encoding)
        executor = Executor(worker, outputs, settings.function_timeout)
        try:
            if self._group == HTTP_GROUP:
                await self._serve_http(worker.functions, executor, settings.route_prefix, port, stop)
            elif isinstance(served[0].trigger, EventHubTrigger):
                await self._serve_event_hub(worker.functions, served[0], executor, port, stop)
            else:
                listener = self._listener(served[0], executor, services, settings.queues)
                self._ready(worker.functions, None)
                await listener.run(stop)
        finally:
            await services.close()

    def _check(self, served: Sequence[Function]) -> None:
        """Refuse what would only fail when the first message comes."""
        if self._group != HTTP_GROUP and not served:
            raise HostStartError(f"The app has no group {self._group}")
        for function in served:
            if function.unsupported:
                types = ", ".join(function.unsupported)
                raise UnsupportedBindingError(
                    f"{function.name} has bindings that this host doesn't serve: {types}"
                )
            for binding in (function.trigger, *function.outputs):
                if isinstance(binding, QueueTrigger | QueueOutput):
                    resolve(binding.connection, self._environment)
                if isinstance(binding, EventHubTrigger):
                    check_event_hub(binding.connection, self._environment)

    async def _serve_http(
        self, functions: Sequence[Function], executor: Executor, prefix: str, port: int, stop: asyncio.Event
    ) -> None:
        from emulators.functions_host.admin import Admin  # noqa: PLC0415 - see the module's docstring
        from emulators.functions_host.http import HttpApp  # noqa: PLC0415
        from emulators.functions_host.routes import RouteTable  # noqa: PLC0415

        keys = Keys.of(self._environment)
        if not keys.function or not keys.master:
            logger.warning(
                "FUNCTIONS_HOST_FUNCTION_KEY or _MASTER_KEY is not set: what asks for it stays shut"
            )
        admin = Admin(functions, executor)
        application = HttpApp(RouteTable(functions, prefix), executor, keys, admin)
        await self._serve_application(application, functions, port, stop)
        await admin.finish()

    async def _serve_event_hub(
        self,
        functions: Sequence[Function],
        function: Function,
        executor: Executor,
        port: int,
        stop: asyncio.Event,
    ) -> None:
        from emulators.functions_host.event_hubs import application  # noqa: PLC0415

        await self._serve_application(application(function, executor), functions, port, stop)

    async def _serve_application(
        self, application: object, functions: Sequence[Function], port: int, stop: asyncio.Event
    ) -> None:
        from emulators.framework.servers import listen  # noqa: PLC0415
        from emulators.functions_host.server import serve  # noqa: PLC0415

        listening = listen(port)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await serve(application, listening, on_ready=lambda: self._ready(functions, url), stop=stop)

    def _listener(
        self,
        function: Function,
        executor: Executor,
        services: QueueServices,
        settings: host_json.QueueSettings,
    ) -> Listener:
        match function.trigger:
            case QueueTrigger() as trigger:
                from emulators.functions_host.queues import QueueListener  # noqa: PLC0415

                service = services.get(trigger.connection)
                seconds = int(self._environment.get("FUNCTIONS_HOST_LOCK_SECONDS", LOCK_SECONDS))
                return QueueListener(function, trigger, executor, service, settings, lock_seconds=seconds)
            case TimerTrigger() as trigger:
                from emulators.functions_host.timers import TimerListener  # noqa: PLC0415

                state = self._environment.get("FUNCTIONS_HOST_STATE")
                return TimerListener(function, trigger, executor, Path(state) if state else None)
            case trigger:
                raise UnsupportedBindingError(
                    f"{function.name} has a trigger without a listener: {trigger.type}"
                )

    def _ready(self, functions: Sequence[Function], url: str | None) -> None:
        self._say(
            {
                "ready": True,
                "group": self._group,
                "url": url,
                "functions": [function.name for function in functions if function.group == self._group],
                "app": [function.describe() for function in functions],
            }
        )

    def _say(self, message: Mapping[str, object]) -> None:
        print(json.dumps(message), file=self._stdout, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators.functions_host")
    parser.add_argument(
        "--app", type=Path, required=True, help="the folder with function_app.py and host.json"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--group", help='what to serve: "http" or "function:NAME"')
    what.add_argument("--list", action="store_true", help="print the app's functions as JSON and end")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (0: a free one)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    return parser

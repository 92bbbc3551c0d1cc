"""One run of one function: the worker's call, host.json's time limit, the outputs, and the log line.

Separate because every trigger, and `/admin`, runs functions in exactly this way.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from emulators.functions_host.bindings import HttpTrigger, QueueOutput
from emulators.functions_host.datums import Datum
from emulators.functions_host.functions import Function
from emulators.functions_host.outputs import QueueOutputs
from emulators.functions_host.tracing import continued
from emulators.functions_host.worker import Outcome, Worker

logger = logging.getLogger(__name__)

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)')


class Executor:
    """Runs functions of the indexed app."""

    def __init__(self, worker: Worker, outputs: QueueOutputs, timeout: timedelta | None) -> None:
        self._worker = worker
        self._outputs = outputs
        self._timeout = timeout.total_seconds() if timeout else None

    async def run(
        self,
        function: Function,
        inputs: Sequence[tuple[str, Datum]],
        metadata: Mapping[str, Datum] | None = None,
        *,
        traceparent: str | None = None,
        tracestate: str = "",
    ) -> Outcome:
        """Run a function and write its outputs; nothing that goes wrong in it is raised.

        A run over the time limit is cancelled and fails. (In Azure its whole worker is then started anew; a
        function that isn't async can't be cancelled here, and its thread goes on.)
        """
        started = time.perf_counter()
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                outcome = await self._worker.invoke(
                    function,
                    inputs,
                    metadata or {},
                    trace_parent=continued(traceparent),
                    trace_state=tracestate,
                )
                if outcome.ok and any(isinstance(output, QueueOutput) for output in function.outputs):
                    await self._outputs.write(function, outcome)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = Outcome(ok=False, error="the function cancelled itself")
        except Exception as error:  # noqa: BLE001 - an output that can't be written is a failed run
            late = f"it ran longer than functionTimeout ({self._timeout} s)"
            outcome = Outcome(
                ok=False, error=late if limit.expired() else f"its output could not be written: {error!r}"
            )
        _log(function, outcome, time.perf_counter() - started)
        return outcome


def _log(function: Function, outcome: Outcome, seconds: float) -> None:
    if outcome.ok:
        # One line for each HTTP request would be the dearest thing this host does for it.
        level = logging.DEBUG if isinstance(function.trigger, HttpTrigger) else logging.INFO
        logger.log(level, "Executed %s (Succeeded, %.0f ms)", function.name, seconds * 1000)
        return
    frames = list(_FRAME.finditer(outcome.traceback))
    where = f" at {frames[-1]['file']}:{frames[-1]['line']} in {frames[-1]['name']}" if frames else ""
    logger.error(
        "Executed %s (Failed, %.0f ms): %s%s",
        function.name,
        seconds * 1000,
        " ".join(outcome.error.split()),
        where,
    )
    if outcome.traceback:
        logger.debug("%s", outcome.traceback)

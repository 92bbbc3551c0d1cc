"""The timer listener: runs a function when its schedule says so, one run at a time, no overlap.

The rules are those of the Timers extension (`TimerListener`): the next time is computed from the start of a
run, and a run that outlasts it is followed by the next one at once; occurrences in between are skipped. The
status (last, next) of a schedule with intervals of a minute or more is monitored: an occurrence that was
missed while no host ran is made up for at start, with `IsPastDue`. The real host keeps the status in the
app's storage account, this one in the folder `FUNCTIONS_HOST_STATE`, and without one no occurrence is ever
missed. Left out: the lease that lets only one of several instances run the timer.
"""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from emulators.functions_host.bindings import TimerTrigger
from emulators.functions_host.datums import Datum, json_text
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import Function
from emulators.functions_host.lifetime import drain
from emulators.functions_host.schedule import Schedule

_MONITORED_FROM: Final = timedelta(minutes=1)
_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)  # .NET's default time


def timer_data(*, past_due: bool, status: dict[str, str] | None = None) -> Datum:
    """The input of a timer trigger."""
    data: dict[str, Any] = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status or {},
        "IsPastDue": past_due,
    }
    return json_text(json.dumps(data))


class TimerListener:
    """Runs one timer function in this process."""

    def __init__(
        self, function: Function, trigger: TimerTrigger, executor: Executor, state: Path | None = None
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._executor = executor
        self._schedule = Schedule.parse(trigger.schedule)
        now = datetime.now(UTC)
        self._monitored = trigger.use_monitor and self._schedule.interval(now) >= _MONITORED_FROM
        self._state = state / f"{function.name}.timer.json" if state is not None else None
        self._last = _NEVER
        self._next = self._schedule.after(now)

    async def run(self, stop: asyncio.Event) -> None:
        """Run the function whenever it's due until `stop` is set; then let a run end."""
        self._load()
        if self._next <= datetime.now(UTC):
            await self._fire(stop, past_due=True)
        elif self._trigger.run_on_startup:
            await self._fire(stop, on_startup=True)
        while not await self._stopped_before(self._next, stop):
            await self._fire(stop)

    async def _fire(self, stop: asyncio.Event, *, past_due: bool = False, on_startup: bool = False) -> None:
        started = datetime.now(UTC)
        data = timer_data(past_due=past_due, status=self._status() if self._monitored else None)
        run = asyncio.create_task(self._executor.run(self._function, [(self._trigger.parameter, data)]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({run, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await drain({run})
        # The wait may end a little early: the occurrence that it was for must not come again.
        self._last = started if past_due or on_startup else max(started, self._next)
        self._next = self._schedule.after(self._last)
        if self._monitored and self._state is not None:
            self._state.write_text(json.dumps(self._status()))

    async def _stopped_before(self, moment: datetime, stop: asyncio.Event) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout((moment - datetime.now(UTC)).total_seconds()):
                await stop.wait()
        return stop.is_set()

    def _status(self) -> dict[str, str]:
        last = self._last.isoformat()
        return {"Last": last, "Next": self._next.isoformat(), "LastUpdated": last}

    def _load(self) -> None:
        if self._monitored and self._state is not None and self._state.exists():
            status = json.loads(self._state.read_text())
            self._last, self._next = (datetime.fromisoformat(status[name]) for name in ("Last", "Next"))

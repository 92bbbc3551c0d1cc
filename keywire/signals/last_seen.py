"""The time of the last signal of each kind, for the health report.

The worker records it when it starts a job. The callback's handler does not: it replies sooner without it. Each process
records a kind at most once in `EVERY_SECONDS`, so the cost is small.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, get_args

import msgspec
from azure.core.exceptions import AzureError

from keywire.jobs.job import ExtractionJob, Signal
from keywire.storage.layout import LAST_SIGNALS_FOLDER
from keywire.storage.notes import Note

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

EVERY_SECONDS: Final = 60.0

logger: Final = logging.getLogger(__name__)


class LastSignal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The note about a kind of signal; `received_at` is UTC."""

    received_at: datetime


class LastSignals:
    """Records and reads the times of all kinds of signals.

    Args:
        control: The container `control`.
        clock: A monotonic clock in seconds.
    """

    def __init__(self, control: "ContainerClient", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notes: Mapping[Signal, Note[LastSignal]] = {
            signal: Note(control.get_blob_client(f"{LAST_SIGNALS_FOLDER}/{signal}.json"), LastSignal)
            for signal in get_args(Signal)
        }
        self._recorded_at: dict[Signal, float] = {}

    async def record(self, job: ExtractionJob) -> None:
        """Record a job's signal, unless this process recorded one of its kind within `EVERY_SECONDS`.

        A deferred job is not a new signal. If storage fails, a warning is logged and the job continues.
        """
        now = self._clock()
        if job.attempts or now - self._recorded_at.get(job.signal, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        self._recorded_at[job.signal] = now
        try:
            await self._notes[job.signal].write(LastSignal(received_at=job.received_at))
        except AzureError as error:
            logger.warning("signal=%s was not recorded: %s", job.signal, type(error).__name__)

    async def read(self, signal: Signal) -> datetime | None:
        """Return when the last signal of a kind came (UTC); None if there was none.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        note = await self._notes[signal].read()
        return note.received_at if note else None

"""When the last signal of each kind came, for whoever asks how Keywire is.

Noted where a job is begun, not where its signal came in: a callback is answered sooner, and a signal that
never became a job is not taken for one. Exact to `EVERY_SECONDS`, so that it costs next to nothing.
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
    """When a signal came (UTC)."""

    received_at: datetime


class LastSignals:
    """The notes of all kinds.

    Args:
        control: The container `control`.
        clock: Seconds that only grow.
    """

    def __init__(self, control: "ContainerClient", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notes: Mapping[Signal, Note[LastSignal]] = {
            signal: Note(control.get_blob_client(f"{LAST_SIGNALS_FOLDER}/{signal}.json"), LastSignal)
            for signal in get_args(Signal)
        }
        self._noted_at: dict[Signal, float] = {}

    async def note(self, job: ExtractionJob) -> None:
        """Note a job's signal, unless this process has noted one of its kind just now.

        Storage's failure is logged and no reason to fail the job. A job that comes back is no new signal.
        """
        now = self._clock()
        if job.attempts or now - self._noted_at.get(job.signal, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        self._noted_at[job.signal] = now
        try:
            await self._notes[job.signal].write(LastSignal(received_at=job.received_at))
        except AzureError as error:
            logger.warning("signal=%s was not noted: %s", job.signal, type(error).__name__)

    async def read(self, signal: Signal) -> datetime | None:
        """When the last signal of a kind came (UTC); None where none did.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        note = await self._notes[signal].read()
        return note.received_at if note else None

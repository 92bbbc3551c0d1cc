"""The state of reconciliation in `control/reconciliation.json`: sweeps under way, the watermark, the last results.

A run writes it after every page, so a sweep that fails continues at that page. Writes are guarded by the ETag: a run
that lost its lease cannot overwrite the state of a later run.
"""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import Cursor
from keywire.storage import swap
from keywire.storage.layout import RECONCILIATION_BLOB

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

FULL_EVERY: Final = timedelta(hours=24)
# The list can be filtered by creation time only, so a window covers videos whose indexing may have ended since.
OVERLAP: Final = timedelta(hours=24)

logger: Final = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A sweep under way.

    Attributes:
        started: When it began (UTC).
        since: It covers videos created from then on; None in a full sweep.
        cursor: The next page; None if all pages were compared and only unlisted documents are left.
        looked_at: The last unlisted document that was checked; they are checked in the order of their videos' ids.
        counts: The counts so far.
        pages: The number of pages so far.
        seconds: The working time so far.
    """

    started: datetime
    since: datetime | None = None
    cursor: Cursor | None = Cursor()
    looked_at: str = ""
    counts: Counts = Counts()
    pages: int = 0
    seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the sweep covers the whole account."""
        return self.since is None


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a sweep; the health report shows it.

    Attributes:
        sweep: The kind of sweep.
        started, ended: UTC.
        listed, unreadable: See `Counts`.
        queued: The number of jobs that were queued.
        missing, unpublished, outdated, unlisted: The same by reason.
        pages: The number of pages.
        seconds: The working time, without the time between a failure and the next run.
    """

    sweep: Literal["window", "full"]
    started: datetime
    ended: datetime
    listed: int
    unreadable: int
    queued: int
    missing: int
    unpublished: int
    outdated: int
    unlisted: int
    pages: int
    seconds: float

    @staticmethod
    def of(progress: Progress, ended: datetime) -> "Result":
        """Return the result of a completed sweep."""
        return Result(
            sweep="full" if progress.is_full else "window",
            started=progress.started,
            ended=ended,
            queued=progress.counts.found,
            pages=progress.pages,
            seconds=round(progress.seconds, 3),
            **msgspec.structs.asdict(progress.counts),
        )


class Failure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a run failed: when (UTC), and the kind of error with its message."""

    at: datetime
    error: str


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run has to know of the runs before it.

    Attributes:
        watermark: When the last completed sweep began (UTC).
        full_at: When the last completed full sweep began (UTC).
        window, full: The sweeps under way.
        last, last_full: The results of the last completed sweep, and of the last full one.
        failure: Why the last run failed; None if it succeeded.
        run_at: When the last run with a completed sweep began (UTC).
        run_every: The seconds between such runs, measured: the timer's schedule is not known here.
    """

    watermark: datetime | None = None
    full_at: datetime | None = None
    window: Progress | None = None
    full: Progress | None = None
    last: Result | None = None
    last_full: Result | None = None
    failure: Failure | None = None
    run_at: datetime | None = None
    run_every: float | None = None
    state_version: Literal[1] = 1


def with_due_sweeps(state: State, now: datetime, *, full: bool) -> State:
    """Return the state with the sweeps that a run at `now` has to continue or start.

    A full sweep starts if it is requested or due. While an earlier full sweep continues, a window is swept too: newer
    videos are at the start of the list, which the full sweep has passed.
    """
    due = state.full_at is None or now - state.full_at >= FULL_EVERY
    under_way = state.full if state.full and now - state.full.started < FULL_EVERY else None
    if under_way is None and (full or due or state.watermark is None):
        return msgspec.structs.replace(state, window=None, full=Progress(started=now))
    window = state.window
    if window is None and state.watermark is not None:
        window = Progress(started=now, since=state.watermark - OVERLAP)
    return msgspec.structs.replace(state, window=window, full=under_way)


def with_progress(state: State, progress: Progress) -> State:
    """Return the state with the progress of a sweep."""
    if progress.is_full:
        return msgspec.structs.replace(state, full=progress)
    return msgspec.structs.replace(state, window=progress)


def with_result(state: State, progress: Progress, result: Result, *, run_at: datetime) -> State:
    """Return the state with the result of a sweep that a run completed which began at `run_at`."""
    watermark = max(progress.started, state.watermark or progress.started)
    state = _with_run(state, run_at)
    if progress.is_full:
        return msgspec.structs.replace(
            state, watermark=watermark, full_at=progress.started, full=None, last=result, last_full=result
        )
    return msgspec.structs.replace(state, watermark=watermark, window=None, last=result)


def _with_run(state: State, run_at: datetime) -> State:
    """Return the state with the time of a run, and the time between runs."""
    if state.run_at is None or run_at <= state.run_at:
        return msgspec.structs.replace(state, run_at=run_at)
    # A run that an operator starts between two others does not mean that the timer became faster.
    every = max((run_at - state.run_at).total_seconds(), (state.run_every or 0.0) / 2)
    return msgspec.structs.replace(state, run_at=run_at, run_every=every)


_DECODER: Final = msgspec.json.Decoder(State)


class StateFile:
    """The state's blob. One run reads it once and writes it after every page.

    Attributes:
        state: The state that was read or written last.
    """

    def __init__(self, blob: "BlobClient") -> None:
        self._blob = blob
        self._etag: str | None = None
        self.state = State()

    async def read(self) -> None:
        """Read the state. An unreadable state is replaced by an empty one, so the next sweep is a full one.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        snapshot = await swap.read(self._blob)
        if snapshot is None:
            return
        self._etag = snapshot.etag
        try:
            self.state = _DECODER.decode(snapshot.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s cannot be read, a full sweep follows: %s", RECONCILIATION_BLOB, error)

    async def write(self, state: State) -> None:
        """Write the state if no other run wrote it since it was read.

        Raises:
            ConflictError: Another run wrote it since.
            azure.core.exceptions.AzureError: Storage failed.
        """
        self._etag = await swap.create_or_replace(self._blob, msgspec.json.encode(state), self._etag)
        self.state = state

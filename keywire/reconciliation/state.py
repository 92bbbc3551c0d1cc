"""How far reconciliation is, and what it found the last time: `control/reconciliation.json`.

Written after every page, so that a sweep that fails goes on where it was. Guarded by the ETag: a run that
slept past the end of its lease can't undo what another has noted since.
"""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError

from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import Cursor
from keywire.storage.layout import RECONCILIATION_BLOB

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

FULL_EVERY: Final = timedelta(hours=24)
# The list is filtered by creation: a video shows up in a window until its indexing may have ended.
OVERLAP: Final = timedelta(hours=24)

logger: Final = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A sweep under way.

    Attributes:
        started: When it began (UTC).
        since: Look at videos created from then on; None in a full sweep.
        cursor: Where it goes on; None where only the documents without a listed video are left.
        looked_at: Of those, in the order of their videos' ids, the last one that was looked at.
        counts: What it came to so far.
        pages: How many pages it has seen.
        seconds: How long it worked.
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
        """Whether it compares the whole account."""
        return self.since is None


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a sweep came to, for whoever asks how reconciliation is.

    Attributes:
        sweep: Which kind.
        started, ended: When (UTC).
        listed, unreadable: See `Counts`.
        queued: How many videos got a job.
        missing, unpublished, outdated, unlisted: Those, by reason.
        pages: How many pages the list had.
        seconds: How long it worked, without what lay between a failure and going on.
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
        """Of a sweep that is through."""
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
    """Why a sweep stopped on its way: when (UTC), and the kind of error."""

    at: datetime
    error: str


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All that is noted.

    Attributes:
        watermark: When the last sweep began that is through (UTC).
        full_at: When the last full one did.
        window, full: The sweeps under way.
        last, last_full: What the last ones came to.
        failure: Why the last run did not get through; None where it did.
        run_at: When the last run began that got through (UTC).
        run_every: About how many seconds lie between such runs, whatever the timer's schedule.
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


def begun(state: State, now: datetime, *, full: bool) -> State:
    """The state with the sweeps that a run at `now` has to do.

    A full sweep where one is asked for or due. A window's sweep besides only where a full one goes on that
    began earlier: what is new since then lies before the place that it has reached.
    """
    due = state.full_at is None or now - state.full_at >= FULL_EVERY
    under_way = state.full if state.full and now - state.full.started < FULL_EVERY else None
    if under_way is None and (full or due or state.watermark is None):
        return msgspec.structs.replace(state, window=None, full=Progress(started=now))
    window = state.window
    if window is None and state.watermark is not None:
        window = Progress(started=now, since=state.watermark - OVERLAP)
    return msgspec.structs.replace(state, window=window, full=under_way)


def advanced(state: State, progress: Progress) -> State:
    """The state with a sweep further on its way."""
    if progress.is_full:
        return msgspec.structs.replace(state, full=progress)
    return msgspec.structs.replace(state, window=progress)


def ended(state: State, progress: Progress, result: Result, *, run_at: datetime) -> State:
    """The state with a sweep through, by a run that began at `run_at`."""
    watermark = max(progress.started, state.watermark or progress.started)
    state = _rhythm(state, run_at)
    if progress.is_full:
        return msgspec.structs.replace(
            state, watermark=watermark, full_at=progress.started, full=None, last=result, last_full=result
        )
    return msgspec.structs.replace(state, watermark=watermark, window=None, last=result)


def _rhythm(state: State, run_at: datetime) -> State:
    if state.run_at is None or run_at <= state.run_at:
        return msgspec.structs.replace(state, run_at=run_at)
    # A run that somebody started by hand comes between two others and is no sign of a faster timer.
    every = max((run_at - state.run_at).total_seconds(), (state.run_every or 0.0) / 2)
    return msgspec.structs.replace(state, run_at=run_at, run_every=every)


_DECODER: Final = msgspec.json.Decoder(State)


class StateFile:
    """The state in its blob, as one run reads it once and writes it often.

    Attributes:
        state: As it was read or written last.
    """

    def __init__(self, blob: "BlobClient") -> None:
        self._blob = blob
        self._etag: str | None = None
        self.state = State()

    async def read(self) -> None:
        """Read what is noted; a state that can't be read counts as none: the next sweep is a full one."""
        try:
            download = await self._blob.download_blob()
        except ResourceNotFoundError:
            return
        self._etag = str(download.properties.etag)
        try:
            self.state = _DECODER.decode(await download.readall())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s can't be read, starting anew: %s", RECONCILIATION_BLOB, error)

    async def write(self, state: State) -> None:
        """Note it.

        Raises:
            azure.core.exceptions.ResourceModifiedError: Another run has noted something since.
            azure.core.exceptions.ResourceExistsError: Another run was the first to note something.
        """
        body = msgspec.json.encode(state)
        if self._etag is None:
            written = await self._blob.upload_blob(body, overwrite=False)
        else:
            written = await self._blob.upload_blob(
                body, overwrite=True, etag=self._etag, match_condition=MatchConditions.IfNotModified
            )
        self._etag = str(written["etag"])
        self.state = state

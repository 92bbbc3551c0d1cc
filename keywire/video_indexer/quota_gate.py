"""The quota gate: all processes together stay within the account's rate limit.

Every queue function scales to many instances, so a limit in one process limits nothing. Each process takes slots from
one ledger in storage (see `keywire.video_indexer.quota_ledger`) for the jobs that wait in it at this moment. An idle
process sends no request to storage. If storage fails, no job passes.

The clocks of all instances are assumed to be right to a few tenths of a second, as Azure keeps them. A clock that is
ahead by more than that delays all other instances by the difference.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from keywire.storage import swap
from keywire.storage.swap import ConflictError, Snapshot
from keywire.video_indexer import quota_ledger
from keywire.video_indexer.errors import ThrottledError, TransientError
from keywire.video_indexer.quota_ledger import LATE_SECONDS, Allowance, Grant, Lane, Ledger

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

# How long a job waits in this process before it is deferred. For a backfill job waiting is cheaper than its queue: of
# the jobs that a process has at once the last one passes after about a minute. A live job leaves early, because the
# next job may need no request.
MAX_WAIT_SECONDS: Final[Mapping[Lane, float]] = {"live": 10.0, "backfill": 120.0}
# If the next slot is later than this, fail at once instead of waiting.
MAX_SLEEP_SECONDS: Final = 10.0
# Each lost swap means that another process got slots, and slots are few.
SWAP_ATTEMPTS: Final = 10
MAX_LEAD_SECONDS: Final = 5.0
# The quota counts for a minute: after that a ledger that cannot be read no longer matters.
UNREADABLE_SECONDS: Final = 60 + quota_ledger.MARGIN_SECONDS

logger: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class _LaneQueue:
    """The jobs of one lane that wait in this process, and the slots that were granted for them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    slots: deque[float] = field(default_factory=deque)
    # The ledger grants nothing before this moment, so it is not asked before.
    next_at: float = 0.0

    def take_slot(self, now: float) -> float | None:
        """Remove and return the next slot that is not too late; None if there is none."""
        while self.slots:
            slot = self.slots.popleft()
            if now <= slot + LATE_SECONDS:
                return slot
        return None


class QuotaGate:
    """A `Gate` for all processes that share the ledger.

    Args:
        blob: The ledger, `control/quota.json`.
        share: Keywire's part of the account's quota, more than 0 and at most 1: other clients use the account too.
        backfill_share: Backfill's part of `share`.
        max_wait_seconds: How long a job waits before it is deferred, by lane.
        clock: The time in Unix seconds.
    """

    def __init__(
        self,
        blob: "BlobClient",
        *,
        share: float = 1.0,
        backfill_share: float = 0.5,
        max_wait_seconds: Mapping[Lane, float] = MAX_WAIT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._blob = blob
        self._allowance = Allowance.of(share, backfill_share)
        self._max_wait = max_wait_seconds
        self._clock = clock
        self._lanes: Final[dict[Lane, _LaneQueue]] = {"live": _LaneQueue(), "backfill": _LaneQueue()}
        self._tripped_until = 0.0
        self._trip_reason = ""
        self._lead = 0.0

    async def wait(self, lane: Lane) -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        deadline = self._clock() + self._max_wait[lane]
        while True:
            slot = await self._acquire_slot(lane, deadline)
            await self._sleep_until(slot)
            # A busy event loop wakes its waiters late, and a 429 may have come while they slept.
            if max(slot, self._tripped_until) <= self._clock() <= slot + LATE_SECONDS:
                return

    async def check(self) -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        ledger = self._decode(await swap.read(self._blob))
        tripped_until = max(ledger.blocked_until, self._tripped_until)
        if tripped_until > self._clock():
            raise _throttled(tripped_until - self._clock(), ledger.blocked_because)

    async def trip(self, until_seconds: float, *, reason: str = "") -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        seconds = until_seconds - self._clock()
        if reason:
            logger.error("no request for %.0f s: %s", seconds, reason)
        else:
            logger.warning("throttled: no request for %.0f s", seconds)

        def tripped(ledger: Ledger) -> Grant:
            changed = quota_ledger.trip(ledger, until=until_seconds, now=self._clock(), reason=reason)
            return Grant(ledger=changed, slots=(), next_at=changed.blocked_until)

        # This process stops even if storage fails.
        own = tripped(Ledger(blocked_until=self._tripped_until, blocked_because=self._trip_reason)).ledger
        self._tripped_until, self._trip_reason = own.blocked_until, own.blocked_because
        for queue in self._lanes.values():
            queue.slots.clear()
        await self._update_ledger(tripped)

    async def _acquire_slot(self, lane: Lane, deadline: float) -> float:
        queue = self._lanes[lane]
        queue.waiting += 1
        try:
            async with queue.lock:
                while (slot := queue.take_slot(self._clock())) is None:
                    now = self._clock()
                    next_at = max(queue.next_at, self._tripped_until, now)
                    if next_at > min(deadline, now + MAX_SLEEP_SECONDS):
                        raise _throttled(self._retry_after(lane, next_at - now), self._trip_reason)
                    await self._sleep_until(next_at)
                    await self._request_slots(lane)
                return slot
        finally:
            queue.waiting -= 1

    def _retry_after(self, lane: Lane, seconds: float) -> float:
        """Return how long a job that leaves should stay away if the next slot is `seconds` away."""
        if lane == "live":
            return seconds
        # The jobs that still wait here get the next slots.
        return max(seconds, self._lanes[lane].waiting * self._allowance.backfill_pace)

    async def _request_slots(self, lane: Lane) -> None:
        """Get slots for all jobs that wait in the lane, as far as the ledger grants them."""
        queue = self._lanes[lane]

        def granted(ledger: Ledger) -> Grant:
            # A slot that begins before the swap is done would pass while the process waits for storage.
            now = self._clock() + self._lead
            return quota_ledger.grant(ledger, self._allowance, lane, wanted=queue.waiting, now=now)

        grant = await self._update_ledger(granted)
        is_tripped = grant.ledger.blocked_until > self._clock()
        self._trip_reason = grant.ledger.blocked_because if is_tripped else ""
        queue.slots.extend(grant.slots)
        queue.next_at = grant.next_at

    async def _update_ledger(self, change: Callable[[Ledger], Grant]) -> Grant:
        """Change the ledger in storage, and measure how long a write takes."""
        write_started: float | None = None

        def changed(snapshot: Snapshot | None) -> tuple[bytes, Grant]:
            nonlocal write_started
            grant = change(self._decode(snapshot))
            body = quota_ledger.encode(grant.ledger)
            write_started = None if snapshot and snapshot.body == body else self._clock()
            return body, grant

        try:
            grant = await swap.swap(self._blob, changed, attempts=SWAP_ATTEMPTS)
        except ConflictError as error:
            raise TransientError(f"the quota ledger changed during {SWAP_ATTEMPTS} swaps: {error}") from error
        if write_started is not None:
            self._lead = min(max(0.0, self._clock() - write_started), MAX_LEAD_SECONDS)
        return grant

    def _decode(self, snapshot: Snapshot | None) -> Ledger:
        if snapshot is None:
            return Ledger()
        try:
            return quota_ledger.decode(snapshot.body)
        except ValueError:
            # Its slots are unknown, and they may have used up the minute.
            logger.warning(
                "%s/%s is not a quota ledger: no request for %.0f s",
                self._blob.container_name,
                self._blob.blob_name,
                UNREADABLE_SECONDS,
            )
            now = self._clock()
            return quota_ledger.trip(Ledger(), until=now + UNREADABLE_SECONDS, now=now)

    async def _sleep_until(self, moment: float) -> None:
        # The event loop sleeps by another clock than `self._clock`.
        while (ahead := moment - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(ahead)


def _throttled(retry_after: float, reason: str) -> ThrottledError:
    error = ThrottledError(
        f"no request to Video Indexer for {retry_after:.1f} s: {reason}"
        if reason
        else f"the quota is used up for {retry_after:.1f} s"
    )
    error.retry_after, error.reason = retry_after, reason
    return error

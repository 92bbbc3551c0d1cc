"""The quota gate: no request is sent to Video Indexer before its turn, in whichever process.

The account's limits hold for everybody together, and every queue function scales to many instances: a
limit in one process is no limit. So each process leases slots from one ledger in storage, swapped against
its ETag, for those of its jobs that wait at this moment. Nobody waits: no request to storage. Storage
fails: nobody passes.

Assumed is that the clocks of all instances are right to a few tenths of a second, as Azure keeps them
(see `quota_slices` for the margin). A clock that is ahead by more delays all others by as much.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContentSettings

from keywire.video_indexer import quota_ledger
from keywire.video_indexer.errors import ThrottledError
from keywire.video_indexer.quota_ledger import LATE_SECONDS, Allowance, Grant, Lane, Ledger

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

# How long a job stands in line, holding its place in a function. For jobs of backfill that is cheaper than
# to be queued again and again: of those that a process has at once the last one comes through after about a
# minute. Live jobs make room for others, who may have no question to ask.
PATIENCE_SECONDS: Final[Mapping[Lane, float]] = {"live": 10.0, "backfill": 120.0}
# Who knows that nothing comes before that doesn't stand in line for it.
LONGEST_PAUSE_SECONDS: Final = 10.0
# Each lost swap means that somebody else got slots, of which there are few.
SWAPS: Final = 10
JITTER_SECONDS: Final = 0.02
MAX_LEAD_SECONDS: Final = 5.0

logger: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class _Line:
    """Who waits in a lane of this process, and what was leased for them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    slots: deque[float] = field(default_factory=deque)
    # When it makes sense to ask again: a ledger that says no at one time does not say yes before that.
    next_at: float = 0.0

    def take(self, now: float) -> float | None:
        """The next slot that can still be used."""
        while self.slots:
            slot = self.slots.popleft()
            if now <= slot + LATE_SECONDS:
                return slot
        return None


class QuotaGate:
    """See the module.

    Args:
        blob: `control/quota.json`.
        share: How much of the account's quota is ours, more than 0 and at most 1: others use it too.
        backfill_share: How much of that backfill may have.
        patience_seconds: How long a job stands in line, by lane.
        clock: The time in Unix seconds.
    """

    def __init__(
        self,
        blob: "BlobClient",
        *,
        share: float = 1.0,
        backfill_share: float = 0.5,
        patience_seconds: Mapping[Lane, float] = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._blob = blob
        self._allowance = Allowance.of(share, backfill_share)
        self._patience = patience_seconds
        self._clock = clock
        self._lines: Final[dict[Lane, _Line]] = {"live": _Line(), "backfill": _Line()}
        self._blocked_until = 0.0
        self._because = ""
        self._lead = 0.0

    async def wait(self, lane: Lane) -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        give_up_at = self._clock() + self._patience[lane]
        while True:
            slot = await self._slot(lane, give_up_at)
            await self._reach(slot)
            # A busy event loop wakes its waiters late, and a 429 may have come while they slept.
            if max(slot, self._blocked_until) <= self._clock() <= slot + LATE_SECONDS:
                return

    async def check(self) -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        ledger, _, _ = await self._read()
        blocked_until = max(ledger.blocked_until, self._blocked_until)
        if blocked_until > self._clock():
            raise _stopped(blocked_until - self._clock(), ledger.blocked_because)

    async def trip(self, until_seconds: float, *, because: str = "") -> None:
        """See `keywire.video_indexer.gate.Gate`."""
        seconds = until_seconds - self._clock()
        if because:
            logger.error("no request for %.0f s: %s", seconds, because)
        else:
            logger.warning("throttled: no request for %.0f s", seconds)

        def block(ledger: Ledger) -> Grant:
            blocked = quota_ledger.block(ledger, until=until_seconds, now=self._clock(), because=because)
            return Grant(ledger=blocked, slots=(), next_at=blocked.blocked_until)

        ours = block(Ledger(blocked_until=self._blocked_until, blocked_because=self._because)).ledger
        self._blocked_until, self._because = ours.blocked_until, ours.blocked_because
        for line in self._lines.values():
            line.slots.clear()
        await self._swap(block)

    async def _slot(self, lane: Lane, give_up_at: float) -> float:
        line = self._lines[lane]
        line.waiting += 1
        try:
            async with line.lock:
                while (slot := line.take(self._clock())) is None:
                    now = self._clock()
                    next_at = max(line.next_at, self._blocked_until, now)
                    if next_at > min(give_up_at, now + LONGEST_PAUSE_SECONDS):
                        raise _stopped(self._away(lane, line, next_at - now), self._because)
                    await self._reach(next_at)
                    await self._lease(lane, line)
                return slot
        finally:
            line.waiting -= 1

    def _away(self, lane: Lane, line: _Line, seconds: float) -> float:
        """How long whoever leaves the line should stay away, if the next slot comes in so many seconds."""
        if lane == "live":
            return seconds
        # Until those are through who stand here.
        return max(seconds, line.waiting * self._allowance.backfill_pace)

    async def _lease(self, lane: Lane, line: _Line) -> None:
        """Get slots for everybody who waits in the lane, as far as there are any."""

        def grant(ledger: Ledger) -> Grant:
            # Slots that begin before the swap has succeeded would be spent in waiting for it.
            now = self._clock() + self._lead
            return quota_ledger.grant(ledger, self._allowance, lane, wanted=line.waiting, now=now)

        lease = await self._swap(grant)
        stopped = lease.ledger.blocked_until > self._clock()
        self._because = lease.ledger.blocked_because if stopped else ""
        line.slots.extend(lease.slots)
        line.next_at = lease.next_at

    async def _swap(self, change: Callable[[Ledger], Grant]) -> Grant:
        """Change the ledger against everybody else; what changes nothing is not written."""
        lost: HttpResponseError | None = None
        for _ in range(SWAPS):
            ledger, body, etag = await self._read()
            lease = change(ledger)
            changed = quota_ledger.encode(lease.ledger)
            if changed == body:
                return lease
            started = self._clock()
            try:
                await self._write(changed, etag)
            except (ResourceExistsError, ResourceModifiedError) as error:
                lost = error
                await asyncio.sleep(random.uniform(0, JITTER_SECONDS))  # noqa: S311
                continue
            self._lead = min(max(0.0, self._clock() - started), MAX_LEAD_SECONDS)
            return lease
        assert lost is not None
        raise lost

    async def _read(self) -> tuple[Ledger, bytes, str | None]:
        try:
            download = await self._blob.download_blob()
            body = await download.readall()
        except ResourceNotFoundError:
            return Ledger(), b"", None
        try:
            ledger = quota_ledger.decode(body)
        except ValueError:
            # Whoever broke it knows how much was granted; after a minute that no longer matters.
            logger.warning("%s/%s is no ledger", self._blob.container_name, self._blob.blob_name)
            now = self._clock()
            ledger = quota_ledger.block(Ledger(), until=now + 60 + quota_ledger.MARGIN_SECONDS, now=now)
        return ledger, body, str(download.properties.etag)

    async def _write(self, body: bytes, etag: str | None) -> None:
        options: dict[str, Any] = (
            {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        )
        content_settings = ContentSettings(content_type="application/json")
        await self._blob.upload_blob(
            body, overwrite=etag is not None, content_settings=content_settings, **options
        )

    async def _reach(self, moment: float) -> None:
        # The loop sleeps by another clock than the one that is asked.
        while (ahead := moment - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(ahead)


def _stopped(retry_after: float, because: str) -> ThrottledError:
    said = f"nobody asks for {retry_after:.1f} s: {because}" if because else None
    error = ThrottledError(said or f"the quota is used up for {retry_after:.1f} s")
    error.retry_after, error.because = retry_after, because
    return error

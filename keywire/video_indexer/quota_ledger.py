"""The account's quota as a ledger: which requests were allowed to whom, and when the next one may be sent.

Pure, because what must hold for all processes together can't be seen from within one: whoever swaps the
ledger against the one that it read gets slots that nobody else has. A slot is a moment: its request is
sent then, or at most `LATE_SECONDS` later, or never.

Video Indexer's windows slide, and it counts by its own clock when a request arrives. So the windows here
are wider by `MARGIN_SECONDS`: what a slot may be late, what two instances' clocks may differ and what two
requests may differ on their way. That costs a sixtieth of the minute and nobody has to agree on seconds.

Slots are granted in the order of time, so the last few tell all: a window of n has room again when the
n-th last slot leaves it. Nothing is pruned by a clock, and the ledger never grows.

Live jobs may spend their minute at once. Backfill is paced: by its own share, and by what all take
together. So a backlog gets what live jobs leave, and slots become free evenly: a live job that finds the
minute used up waits for one of the next, not for the rest of the minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

type Lane = Literal["live", "backfill"]

# Video Indexer's limits for an account: "10 requests per second and up to 120 requests per minute".
REQUESTS_PER_SECOND: Final = 10
REQUESTS_PER_MINUTE: Final = 120

LATE_SECONDS: Final = 0.4
MARGIN_SECONDS: Final = 1.0
# How far ahead slots are granted. A process that holds some does not hear of a 429 before they are spent;
# and as slots are in the order of time, one of backfill in the future would hold up live jobs until then.
SLICE_SECONDS: Final[dict[Lane, float]] = {"live": 1.0, "backfill": 0.0}
# How far backfill may catch up with its pace after it was held up.
CATCH_UP_SECONDS: Final = 2.0
# Whoever was told the next moment needs a little to come back, from a queue perhaps.
LIVE_FIRST_SECONDS: Final = 1.0
# No answer may stop everything for longer: asking once more is the better way to find out.
MAX_BLOCK_SECONDS: Final = 3600.0


class Ledger(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of the quota; moments are Unix seconds.

    Attributes:
        slots: The newest slots that were granted, as many as a minute has, oldest first.
        backfill: The same for those that backfill got.
        blocked_until: Nothing is granted before it: Video Indexer said 429, or can't be asked.
        blocked_because: Why it can't; empty after a 429.
        live_until: Backfill gets nothing before it: live jobs are waiting.
        paced_until: When the slots that were granted are worked off at the pace of all.
        backfill_paced_until: The same for backfill's slots at its pace.
    """

    slots: tuple[float, ...] = ()
    backfill: tuple[float, ...] = ()
    blocked_until: float = 0.0
    blocked_because: str = ""
    live_until: float = 0.0
    paced_until: float = 0.0
    backfill_paced_until: float = 0.0

    def used(self, now: float) -> int:
        """How many requests were granted in the last minute."""
        return sum(now - 60 < slot <= now for slot in self.slots)


@dataclass(frozen=True)
class Window:
    """At most `limit` slots in any `seconds`."""

    seconds: float
    limit: int

    def free_at(self, slots: Sequence[float]) -> float:
        """When the next slot may be, as far as this window is concerned."""
        return slots[-self.limit] + self.seconds if len(slots) >= self.limit else 0.0


@dataclass(frozen=True)
class Allowance:
    """What is ours of the account's quota.

    Attributes:
        ours: Windows for all slots, the longest last.
        backfill: Windows for those of backfill, the same.
    """

    ours: tuple[Window, ...]
    backfill: tuple[Window, ...]

    @property
    def pace(self) -> float:
        """The seconds between two slots that use up what is ours and no more."""
        return self.ours[-1].seconds / self.ours[-1].limit

    @property
    def backfill_pace(self) -> float:
        """The same for backfill's share."""
        return self.backfill[-1].seconds / self.backfill[-1].limit

    @staticmethod
    def of(share: float, backfill_share: float) -> "Allowance":
        """`share` of the account's quota, and `backfill_share` of that for backfill; at least one request."""
        for_backfill = share * backfill_share
        return Allowance(
            ours=(_window(1, REQUESTS_PER_SECOND * share), _window(60, REQUESTS_PER_MINUTE * share)),
            backfill=(
                _window(1, REQUESTS_PER_SECOND * for_backfill),
                _window(60, REQUESTS_PER_MINUTE * for_backfill),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What came of asking.

    Attributes:
        ledger: What is known now.
        slots: What was granted, at most as many as were wanted.
        next_at: When a further slot may be free: not earlier, whatever others do.
    """

    ledger: Ledger
    slots: tuple[float, ...]
    next_at: float


def grant(ledger: Ledger, allowance: Allowance, lane: Lane, *, wanted: int, now: float) -> Grant:
    """Grant up to `wanted` slots of the slice that begins now, as early as can be.

    Live jobs that get fewer than they want keep backfill out until they could have asked again.
    """
    slots, backfill = list(ledger.slots), list(ledger.backfill)
    paced_until, backfill_paced_until = ledger.paced_until, ledger.backfill_paced_until
    earliest = max(now, ledger.blocked_until)
    if lane == "backfill":
        earliest = max(earliest, ledger.live_until)
    granted: list[float] = []
    while True:
        free_at = max(earliest, *slots[-1:], *(window.free_at(slots) for window in allowance.ours))
        if lane == "backfill":
            on_pace = max(paced_until, backfill_paced_until) - CATCH_UP_SECONDS
            free_at = max(free_at, on_pace, *(window.free_at(backfill) for window in allowance.backfill))
        if len(granted) >= wanted or free_at > now + SLICE_SECONDS[lane]:
            break
        granted.append(free_at)
        slots.append(free_at)
        paced_until = max(paced_until, free_at) + allowance.pace
        if lane == "backfill":
            backfill.append(free_at)
            backfill_paced_until = max(backfill_paced_until, free_at) + allowance.backfill_pace
    live_until = ledger.live_until
    if lane == "live" and len(granted) < wanted:
        live_until = max(live_until, free_at + LIVE_FIRST_SECONDS)
    changed = Ledger(
        slots=_newest(slots, allowance.ours),
        backfill=_newest(backfill, allowance.backfill),
        blocked_until=ledger.blocked_until,
        blocked_because=ledger.blocked_because,
        live_until=live_until,
        paced_until=paced_until,
        backfill_paced_until=backfill_paced_until,
    )
    return Grant(ledger=changed, slots=tuple(granted), next_at=free_at)


def block(ledger: Ledger, *, until: float, now: float, because: str = "") -> Ledger:
    """Grant nothing before `until`, nor before what was noted earlier."""
    until = min(until, now + MAX_BLOCK_SECONDS)
    if until <= ledger.blocked_until:
        return ledger
    return msgspec.structs.replace(ledger, blocked_until=until, blocked_because=because)


def encode(ledger: Ledger) -> bytes:
    """A ledger as JSON."""
    return msgspec.json.encode(ledger)


def decode(body: bytes) -> Ledger:
    """Read a ledger.

    Raises:
        ValueError: It is none.
    """
    return msgspec.json.decode(body, type=Ledger)


def _newest(slots: list[float], windows: Sequence[Window]) -> tuple[float, ...]:
    """As many slots as tell all."""
    return tuple(slots[-max(window.limit for window in windows) :])


def _window(seconds: float, limit: float) -> Window:
    return Window(seconds + MARGIN_SECONDS, _whole(limit))


def _whole(limit: float) -> int:
    # 0.57 × 100 is 56.99999999999999.
    return max(1, int(limit + 1e-9))

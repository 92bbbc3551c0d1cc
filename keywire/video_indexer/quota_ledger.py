"""The account's quota as a ledger: the slots that were granted, and when the next one is free. Pure.

A slot is a moment: its request is sent then, or up to `LATE_SECONDS` later, or never. Processes share one ledger and
change it with optimistic concurrency, so no two of them get the same slot.

Video Indexer counts in sliding windows, on its own clock, when a request arrives. The windows here are wider by
`MARGIN_SECONDS`. The margin covers a late request, the difference between two instances' clocks, and the difference
between two requests' times on the network. It costs a sixtieth of the quota.

Slots are granted in order of time, so the newest ones are enough: a window of n slots has room when its n-th last slot
leaves it. The ledger does not grow, and no clock decides what to drop.

Live jobs may spend a minute's quota at once. Backfill is paced: by its own share, and by what all lanes use. A backlog
gets what live jobs leave, and slots become free evenly. A live job that finds the minute used up therefore waits for
the next slot, not for the rest of the minute.
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
# How far ahead slots are granted. A process spends its slots before it hears of another one's 429. Backfill gets none
# ahead: slots are in order of time, so a backfill slot in the future would delay live jobs until then.
LOOKAHEAD_SECONDS: Final[dict[Lane, float]] = {"live": 1.0, "backfill": 0.0}
# How far backfill may catch up with its pace after a delay.
CATCH_UP_SECONDS: Final = 2.0
# A live job that was told `next_at` needs time to return, perhaps from a queue.
LIVE_FIRST_SECONDS: Final = 1.0
# No answer may stop all processes for longer; after this time one request finds out.
MAX_TRIP_SECONDS: Final = 3600.0


class Ledger(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Granted slots and what limits the next one. All moments are Unix seconds.

    Attributes:
        slots: The newest granted slots, oldest first; at most as many as the minute's limit.
        backfill: Those that backfill got, likewise.
        blocked_until: No slot is granted before it, after a 429 or a misconfiguration.
        blocked_because: What an operator has to correct; empty after a 429.
        live_until: Backfill gets no slot before it, because live jobs wait.
        paced_until: When the granted slots are used up at the pace of all lanes.
        backfill_paced_until: When backfill's slots are used up at backfill's pace.
    """

    slots: tuple[float, ...] = ()
    backfill: tuple[float, ...] = ()
    blocked_until: float = 0.0
    blocked_because: str = ""
    live_until: float = 0.0
    paced_until: float = 0.0
    backfill_paced_until: float = 0.0

    def used(self, now: float) -> int:
        """Return the number of slots of the last minute."""
        return sum(now - 60 < slot <= now for slot in self.slots)


@dataclass(frozen=True)
class Window:
    """At most `limit` slots in any `seconds`."""

    seconds: float
    limit: int

    def free_at(self, slots: Sequence[float]) -> float:
        """Return the earliest next slot that this window allows; `slots` are sorted."""
        return slots[-self.limit] + self.seconds if len(slots) >= self.limit else 0.0


@dataclass(frozen=True)
class Allowance:
    """Keywire's part of the account's quota.

    Attributes:
        ours: Windows for all slots, the longest last.
        backfill: Windows for backfill's slots, the longest last.
    """

    ours: tuple[Window, ...]
    backfill: tuple[Window, ...]

    @property
    def pace(self) -> float:
        """The seconds between two slots that use exactly this part of the quota."""
        return self.ours[-1].seconds / self.ours[-1].limit

    @property
    def backfill_pace(self) -> float:
        """The seconds between two slots of backfill that use exactly its share."""
        return self.backfill[-1].seconds / self.backfill[-1].limit

    @staticmethod
    def of(share: float, backfill_share: float) -> "Allowance":
        """Return `share` of the quota, and `backfill_share` of that for backfill; each at least one request."""
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
    """The result of a request for slots.

    Attributes:
        ledger: The ledger with these slots.
        slots: The granted slots, at most as many as were wanted.
        next_at: The earliest moment at which a further slot can be free.
    """

    ledger: Ledger
    slots: tuple[float, ...]
    next_at: float


def grant(ledger: Ledger, allowance: Allowance, lane: Lane, *, wanted: int, now: float) -> Grant:
    """Grant up to `wanted` slots, the earliest ones, at most `LOOKAHEAD_SECONDS` ahead.

    If live jobs get fewer slots than they want, backfill gets none until they had time to return.
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
        if len(granted) >= wanted or free_at > now + LOOKAHEAD_SECONDS[lane]:
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


def trip(ledger: Ledger, *, until: float, now: float, reason: str = "") -> Ledger:
    """Grant no slot before `until`, as a circuit breaker. A later end that was set before stays.

    Args:
        ledger: The ledger.
        until: The end, Unix seconds; at most `MAX_TRIP_SECONDS` from now.
        now: The time, Unix seconds.
        reason: What an operator has to correct; empty after a 429.
    """
    until = min(until, now + MAX_TRIP_SECONDS)
    if until <= ledger.blocked_until:
        return ledger
    return msgspec.structs.replace(ledger, blocked_until=until, blocked_because=reason)


def encode(ledger: Ledger) -> bytes:
    """Return the ledger as JSON."""
    return msgspec.json.encode(ledger)


def decode(body: bytes) -> Ledger:
    """Return the ledger in JSON.

    Raises:
        ValueError: The bytes are not a ledger.
    """
    return msgspec.json.decode(body, type=Ledger)


def _newest(slots: list[float], windows: Sequence[Window]) -> tuple[float, ...]:
    """Return as many of the newest slots as the largest window counts."""
    return tuple(slots[-max(window.limit for window in windows) :])


def _window(seconds: float, limit: float) -> Window:
    return Window(seconds + MARGIN_SECONDS, _whole(limit))


def _whole(limit: float) -> int:
    # 0.57 × 100 is 56.99999999999999 in floating point.
    return max(1, int(limit + 1e-9))

"""Who may send a request to Video Indexer, and when: what holds for all processes together."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.video_indexer import quota_ledger
from keywire.video_indexer.quota_ledger import (
    CATCH_UP_SECONDS,
    LATE_SECONDS,
    MAX_BLOCK_SECONDS,
    SLICE_SECONDS,
    Allowance,
    Lane,
    Ledger,
)

START = 1_772_442_000.0
SKEW_SECONDS = 0.2
ALL = Allowance.of(1.0, 0.5)

LANES: st.SearchStrategy[Lane] = st.sampled_from(["live", "backfill"])
ASKS = st.lists(
    st.tuples(
        st.floats(0, 3),  # seconds since the ask before
        st.floats(-SKEW_SECONDS, SKEW_SECONDS),  # of the process's clock
        LANES,
        st.integers(0, 40),
        st.floats(0, LATE_SECONDS),  # between the slot and its request
    ),
    min_size=30,
    max_size=80,
)


@dataclass
class Account:
    """One ledger, and what was granted from it."""

    allowance: Allowance = ALL
    ledger: Ledger = field(default_factory=Ledger)
    granted: dict[Lane, list[float]] = field(default_factory=lambda: {"live": [], "backfill": []})

    def ask(self, lane: Lane, now: float, wanted: int = 1) -> tuple[tuple[float, ...], float]:
        before = self.ledger.slots[-1:]
        lease = quota_ledger.grant(self.ledger, self.allowance, lane, wanted=wanted, now=now)
        self.ledger = quota_ledger.decode(quota_ledger.encode(lease.ledger))
        self.granted[lane].extend(lease.slots)
        assert len(lease.slots) <= wanted
        assert list(before + lease.slots) == sorted(before + lease.slots)
        assert all(now <= slot <= now + SLICE_SECONDS[lane] for slot in lease.slots)
        return lease.slots, lease.next_at

    def run(self, lane: Lane, start: float, seconds: float, *, processes: int = 4) -> None:
        """Processes with more to do than they may, each of which asks when it was told to."""
        chance = random.Random(seconds)
        due = [start + chance.random() for _ in range(processes)]
        while (now := min(due)) < start + seconds:
            _, next_at = self.ask(lane, now, wanted=7)
            due[due.index(now)] = max(now, next_at) + chance.uniform(0.005, 0.05)


def most(moments: Iterable[float], seconds: float) -> int:
    """How many moments lie in the fullest window, as Video Indexer counts."""
    ordered = sorted(moments)
    return max((sum(0 <= other - one < seconds for other in ordered) for one in ordered), default=0)


@given(ASKS, st.sampled_from([1.0, 0.5, 0.1]), st.sampled_from([0.5, 0.9]))
def test_the_limits_hold_for_all_processes_together(
    asks: list[tuple[float, float, Lane, int, float]], share: float, backfill_share: float
) -> None:
    """Whatever they ask, with clocks that differ, and requests that are sent late."""
    account = Account(Allowance.of(share, backfill_share))
    sent: dict[Lane, list[float]] = {"live": [], "backfill": []}
    now = START
    for passed, skew, lane, wanted, late in asks:
        now += passed
        slots, _ = account.ask(lane, now + skew, wanted)
        # Each request of a slice by itself: some at once, some as late as can be.
        sent[lane] += [slot - skew + (late if number % 2 else 0) for number, slot in enumerate(slots)]
    everything = [*sent["live"], *sent["backfill"]]
    assert most(everything, 1) <= 10 * share
    assert most(everything, 60) <= 120 * share
    assert most(sent["backfill"], 1) <= max(1, 10 * share * backfill_share)
    assert most(sent["backfill"], 60) <= 120 * share * backfill_share


@given(ASKS)
def test_who_is_refused_is_told_when_to_come_and_gets_something_then(
    asks: list[tuple[float, float, Lane, int, float]],
) -> None:
    account = Account()
    now = START
    for passed, skew, lane, wanted, _ in asks:
        now += passed
        slots, next_at = account.ask(lane, now + skew, wanted)
        if len(slots) < wanted:
            assert next_at > now + skew + SLICE_SECONDS[lane]
            probe = Account(ledger=account.ledger)
            assert not probe.ask(lane, next_at - SLICE_SECONDS[lane] - 0.001)[0]
            assert probe.ask(lane, next_at)[0] == (next_at,)


@given(ASKS, st.floats(0, 100), st.floats(0, 100))
def test_nothing_is_granted_before_the_end_of_a_429(
    asks: list[tuple[float, float, Lane, int, float]], first: float, second: float
) -> None:
    """Of the longer one, where there are several."""
    account = Account()
    now = START
    for number, (passed, skew, lane, wanted, _) in enumerate(asks):
        now += passed
        if number == 1:
            for seconds in (first, second):
                account.ledger = quota_ledger.block(account.ledger, until=START + seconds, now=now)
        slots, next_at = account.ask(lane, now + skew, wanted)
        if number >= 1:
            assert min([*slots, next_at]) >= START + max(first, second)


def test_the_ledger_never_grows() -> None:
    account = Account()
    account.run("backfill", START, 300)
    account.run("live", START + 300, 300)
    account.run("backfill", START + 600, 30)
    assert (len(account.ledger.slots), len(account.ledger.backfill)) == (120, 60)
    assert len(quota_ledger.encode(account.ledger)) < 4000


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_a_backlog_uses_nearly_all_that_is_allowed(share: float) -> None:
    account = Account(Allowance.of(share, 0.5))
    account.run("live", START, 600)
    assert len(account.granted["live"]) >= 0.95 * 120 * share * 10


@pytest.mark.parametrize("backfill_share", [0.5, 0.9, 1.0])
def test_backfill_uses_nearly_all_of_its_share(backfill_share: float) -> None:
    account = Account(Allowance.of(1.0, backfill_share))
    account.run("backfill", START, 600)
    assert len(account.granted["backfill"]) >= 0.95 * 120 * backfill_share * 10


def test_a_burst_goes_out_at_once_and_no_more_than_that_in_its_second() -> None:
    account = Account()
    slots, next_at = account.ask("live", START, wanted=25)
    assert slots == (START,) * 10
    assert next_at == START + 2


@pytest.mark.parametrize("backfill_share", [0.5, 0.9, 1.0])
def test_backfill_is_spread_over_the_minute(backfill_share: float) -> None:
    """Otherwise live jobs would find the minute empty at once and full for the rest of it."""
    account = Account(Allowance.of(1.0, backfill_share))
    account.run("backfill", START, 300)
    a_second = 2 * backfill_share
    assert most(account.granted["backfill"], 10) <= a_second * (10 + CATCH_UP_SECONDS) + 1


def beside_a_backlog(account: Account, live: Iterable[float]) -> list[float]:
    """What each job of `live` waits, in seconds, which come at these times (sorted)."""
    waits, backfill_at = [], START
    for arrived in live:
        live_at = arrived
        while True:
            while backfill_at < live_at:
                _, next_at = account.ask("backfill", backfill_at, wanted=50)
                backfill_at = max(next_at, backfill_at + 0.02)
            slots, next_at = account.ask("live", live_at)
            if slots:
                break
            live_at = next_at + 0.02
        waits.append(slots[0] - arrived)
    return waits


@pytest.mark.parametrize(("backfill_share", "live_every_seconds"), [(0.5, 1.1), (0.9, 5.5)])
def test_a_live_job_does_not_wait_for_a_backlog(backfill_share: float, live_every_seconds: float) -> None:
    """As long as live jobs keep within what backfill leaves them."""
    account = Account(Allowance.of(1.0, backfill_share))
    live = [START + number * live_every_seconds for number in range(1, int(300 / live_every_seconds))]
    waits = beside_a_backlog(account, live)
    assert max(waits) <= SLICE_SECONDS["live"]
    assert len(account.granted["backfill"]) >= 0.95 * 120 * backfill_share * 5


@pytest.mark.parametrize("at_once", [1, 5, 10])
def test_a_backlog_that_may_take_everything_leaves_live_jobs_what_they_need(at_once: int) -> None:
    """They wait a few seconds where many come at once, and nothing is lost by it."""
    account = Account(Allowance.of(1.0, 1.0))
    live = [START + 7.5 * number for number in range(1, 80) for _ in range(at_once)]
    waits = sorted(beside_a_backlog(account, live))
    assert waits[len(waits) * 95 // 100] <= {1: 1, 5: 3, 10: 5}[at_once]
    assert sum(map(len, account.granted.values())) >= 0.95 * 120 * 10


def test_backfill_gets_nothing_while_live_jobs_wait() -> None:
    """They come back after the time they were told; if they do not, backfill goes on a second later."""
    account = Account()
    _, live_at = account.ask("live", START, wanted=11)
    slots, backfill_at = account.ask("backfill", START + 0.5, wanted=5)
    assert slots == ()
    assert backfill_at >= live_at + 1
    assert account.ask("live", live_at)[0] == (live_at,)
    assert account.ask("backfill", backfill_at)[0] == ()
    assert account.ask("backfill", backfill_at + 1)[0] != ()


def test_backfill_goes_on_when_live_jobs_have_what_they_wanted() -> None:
    account = Account()
    account.ask("live", START, wanted=3)
    assert account.ask("backfill", START)[0] == (START,)


def test_backfill_takes_what_live_jobs_leave() -> None:
    """Live jobs that come as fast as they may leave nothing; what they have had counts in backfill's pace."""
    account = Account(Allowance.of(1.0, 1.0))
    account.ask("live", START, wanted=10)
    _, next_at = account.ask("backfill", START, wanted=10)
    assert next_at == pytest.approx(START + 10 * 61 / 120 - CATCH_UP_SECONDS)


def test_backfill_catches_up_with_its_pace_but_never_far() -> None:
    account = Account(Allowance.of(1.0, 1.0))
    account.run("backfill", START, 60)
    slots, _ = account.ask("backfill", START + 90, wanted=50)
    assert 1 < len(slots) <= CATCH_UP_SECONDS * 2 + 1


def test_no_429_stops_everything_for_more_than_an_hour() -> None:
    ledger = quota_ledger.block(Ledger(), until=START + 1e9, now=START)
    assert ledger.blocked_until == START + MAX_BLOCK_SECONDS


def test_the_smallest_share_is_one_request_a_minute() -> None:
    account = Account(Allowance.of(0.001, 0.5))
    assert account.ask("backfill", START, wanted=2) == ((START,), START + 61)
    assert account.ask("live", START + 30)[0] == ()


def test_the_ledger_says_what_was_used_in_the_last_minute() -> None:
    account = Account()
    account.ask("live", START, wanted=4)
    account.ask("live", START + 30, wanted=3)
    assert [account.ledger.used(START + after) for after in (1, 31, 61, 91)] == [4, 7, 3, 0]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"slots": "many"}', b'{"slots": [nu', b"\xff"])
def test_what_is_no_ledger_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        quota_ledger.decode(body)

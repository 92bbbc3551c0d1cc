"""The quota ledger: limits, pace and fairness that hold for all processes together."""

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
    LOOKAHEAD_SECONDS,
    MAX_TRIP_SECONDS,
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
        st.floats(0, 3),  # seconds since the previous request for slots
        st.floats(-SKEW_SECONDS, SKEW_SECONDS),  # error of the process's clock
        LANES,
        st.integers(0, 40),  # slots wanted
        st.floats(0, LATE_SECONDS),  # seconds between a slot and its request
    ),
    min_size=30,
    max_size=80,
)


@dataclass
class Account:
    """One ledger and all slots that it granted."""

    allowance: Allowance = ALL
    ledger: Ledger = field(default_factory=Ledger)
    granted: dict[Lane, list[float]] = field(default_factory=lambda: {"live": [], "backfill": []})

    def ask(self, lane: Lane, now: float, wanted: int = 1) -> tuple[tuple[float, ...], float]:
        before = self.ledger.slots[-1:]
        grant = quota_ledger.grant(self.ledger, self.allowance, lane, wanted=wanted, now=now)
        self.ledger = quota_ledger.decode(quota_ledger.encode(grant.ledger))
        self.granted[lane].extend(grant.slots)
        assert len(grant.slots) <= wanted
        assert list(before + grant.slots) == sorted(before + grant.slots)
        assert all(now <= slot <= now + LOOKAHEAD_SECONDS[lane] for slot in grant.slots)
        return grant.slots, grant.next_at

    def work_off(self, lane: Lane, start: float, seconds: float, *, processes: int = 4) -> None:
        """Ask for slots all the time, from processes that return at `next_at`."""
        jitter = random.Random(seconds)
        due = [start + jitter.random() for _ in range(processes)]
        while (now := min(due)) < start + seconds:
            _, next_at = self.ask(lane, now, wanted=7)
            due[due.index(now)] = max(now, next_at) + jitter.uniform(0.005, 0.05)


def most(moments: Iterable[float], seconds: float) -> int:
    """Return the number of moments in the fullest sliding window."""
    ordered = sorted(moments)
    return max((sum(0 <= other - one < seconds for other in ordered) for one in ordered), default=0)


@given(ASKS, st.sampled_from([1.0, 0.5, 0.1]), st.sampled_from([0.5, 0.9]))
def test_the_limits_hold_for_all_processes_together(
    asks: list[tuple[float, float, Lane, int, float]], share: float, backfill_share: float
) -> None:
    """Clocks differ, and requests are sent late."""
    account = Account(Allowance.of(share, backfill_share))
    sent: dict[Lane, list[float]] = {"live": [], "backfill": []}
    now = START
    for passed, skew, lane, wanted, late in asks:
        now += passed
        slots, _ = account.ask(lane, now + skew, wanted)
        # Of one grant some requests are sent at once and some as late as possible.
        sent[lane] += [slot - skew + (late if number % 2 else 0) for number, slot in enumerate(slots)]
    everything = [*sent["live"], *sent["backfill"]]
    assert most(everything, 1) <= 10 * share
    assert most(everything, 60) <= 120 * share
    assert most(sent["backfill"], 1) <= max(1, 10 * share * backfill_share)
    assert most(sent["backfill"], 60) <= 120 * share * backfill_share


@given(ASKS)
def test_next_at_is_the_first_moment_at_which_a_slot_is_granted(
    asks: list[tuple[float, float, Lane, int, float]],
) -> None:
    account = Account()
    now = START
    for passed, skew, lane, wanted, _ in asks:
        now += passed
        slots, next_at = account.ask(lane, now + skew, wanted)
        if len(slots) < wanted:
            assert next_at > now + skew + LOOKAHEAD_SECONDS[lane]
            probe = Account(ledger=account.ledger)
            assert not probe.ask(lane, next_at - LOOKAHEAD_SECONDS[lane] - 0.001)[0]
            assert probe.ask(lane, next_at)[0] == (next_at,)


@given(ASKS, st.floats(0, 100), st.floats(0, 100))
def test_no_slot_is_granted_before_the_end_of_the_longest_429(
    asks: list[tuple[float, float, Lane, int, float]], first: float, second: float
) -> None:
    account = Account()
    now = START
    for number, (passed, skew, lane, wanted, _) in enumerate(asks):
        now += passed
        if number == 1:
            for seconds in (first, second):
                account.ledger = quota_ledger.trip(account.ledger, until=START + seconds, now=now)
        slots, next_at = account.ask(lane, now + skew, wanted)
        if number >= 1:
            assert min([*slots, next_at]) >= START + max(first, second)


def test_the_ledger_never_grows() -> None:
    account = Account()
    account.work_off("backfill", START, 300)
    account.work_off("live", START + 300, 300)
    account.work_off("backfill", START + 600, 30)
    assert (len(account.ledger.slots), len(account.ledger.backfill)) == (120, 60)
    assert len(quota_ledger.encode(account.ledger)) < 4000


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_a_backlog_uses_nearly_the_whole_allowance(share: float) -> None:
    account = Account(Allowance.of(share, 0.5))
    account.work_off("live", START, 600)
    assert len(account.granted["live"]) >= 0.95 * 120 * share * 10


@pytest.mark.parametrize("backfill_share", [0.5, 0.9, 1.0])
def test_backfill_uses_nearly_all_of_its_share(backfill_share: float) -> None:
    account = Account(Allowance.of(1.0, backfill_share))
    account.work_off("backfill", START, 600)
    assert len(account.granted["backfill"]) >= 0.95 * 120 * backfill_share * 10


def test_a_burst_gets_the_limit_of_one_second_at_once() -> None:
    account = Account()
    slots, next_at = account.ask("live", START, wanted=25)
    assert slots == (START,) * 10
    assert next_at == START + 2


@pytest.mark.parametrize("backfill_share", [0.5, 0.9, 1.0])
def test_backfill_is_spread_over_the_minute(backfill_share: float) -> None:
    """Otherwise backfill would use up the minute at once, and live jobs would wait for the rest of it."""
    account = Account(Allowance.of(1.0, backfill_share))
    account.work_off("backfill", START, 300)
    a_second = 2 * backfill_share
    assert most(account.granted["backfill"], 10) <= a_second * (10 + CATCH_UP_SECONDS) + 1


def beside_a_backlog(account: Account, live: Iterable[float]) -> list[float]:
    """Return the seconds that each live job waits while backfill has a backlog; `live` has their sorted times."""
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
    """The live jobs stay within the share that backfill leaves."""
    account = Account(Allowance.of(1.0, backfill_share))
    live = [START + number * live_every_seconds for number in range(1, int(300 / live_every_seconds))]
    waits = beside_a_backlog(account, live)
    assert max(waits) <= LOOKAHEAD_SECONDS["live"]
    assert len(account.granted["backfill"]) >= 0.95 * 120 * backfill_share * 5


@pytest.mark.parametrize("at_once", [1, 5, 10])
def test_live_jobs_wait_seconds_while_backfill_may_use_the_whole_quota(at_once: int) -> None:
    """The quota is used completely nevertheless."""
    account = Account(Allowance.of(1.0, 1.0))
    live = [START + 7.5 * number for number in range(1, 80) for _ in range(at_once)]
    waits = sorted(beside_a_backlog(account, live))
    assert waits[len(waits) * 95 // 100] <= {1: 1, 5: 3, 10: 5}[at_once]
    assert sum(map(len, account.granted.values())) >= 0.95 * 120 * 10


def test_backfill_gets_nothing_while_live_jobs_wait() -> None:
    """Live jobs return at `next_at`; if they do not, backfill continues a second later."""
    account = Account()
    _, live_at = account.ask("live", START, wanted=11)
    slots, backfill_at = account.ask("backfill", START + 0.5, wanted=5)
    assert slots == ()
    assert backfill_at >= live_at + 1
    assert account.ask("live", live_at)[0] == (live_at,)
    assert account.ask("backfill", backfill_at)[0] == ()
    assert account.ask("backfill", backfill_at + 1)[0] != ()


def test_backfill_continues_after_live_jobs_got_all_their_slots() -> None:
    account = Account()
    account.ask("live", START, wanted=3)
    assert account.ask("backfill", START)[0] == (START,)


def test_slots_of_live_jobs_count_in_backfills_pace() -> None:
    account = Account(Allowance.of(1.0, 1.0))
    account.ask("live", START, wanted=10)
    _, next_at = account.ask("backfill", START, wanted=10)
    assert next_at == pytest.approx(START + 10 * 61 / 120 - CATCH_UP_SECONDS)


def test_backfill_catches_up_by_a_few_slots_only() -> None:
    account = Account(Allowance.of(1.0, 1.0))
    account.work_off("backfill", START, 60)
    slots, _ = account.ask("backfill", START + 90, wanted=50)
    assert 1 < len(slots) <= CATCH_UP_SECONDS * 2 + 1


def test_a_429_trips_the_ledger_for_an_hour_at_most() -> None:
    ledger = quota_ledger.trip(Ledger(), until=START + 1e9, now=START)
    assert ledger.blocked_until == START + MAX_TRIP_SECONDS


def test_the_smallest_share_is_one_request_a_minute() -> None:
    account = Account(Allowance.of(0.001, 0.5))
    assert account.ask("backfill", START, wanted=2) == ((START,), START + 61)
    assert account.ask("live", START + 30)[0] == ()


def test_used_counts_the_slots_of_the_last_minute() -> None:
    account = Account()
    account.ask("live", START, wanted=4)
    account.ask("live", START + 30, wanted=3)
    assert [account.ledger.used(START + after) for after in (1, 31, 61, 91)] == [4, 7, 3, 0]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"slots": "many"}', b'{"slots": [nu', b"\xff"])
def test_bytes_that_are_not_a_ledger_are_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        quota_ledger.decode(body)

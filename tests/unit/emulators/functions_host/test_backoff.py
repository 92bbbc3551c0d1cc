"""How long an empty queue is left alone."""

import pytest

from emulators.functions_host.backoff import Backoff


def waits(backoff: Backoff, count: int) -> list[float]:
    return [round(backoff.next(found=False), 3) for _ in range(count)]


def test_the_wait_grows_from_a_tenth_of_a_second_to_the_maximum() -> None:
    assert waits(Backoff(1.0, chance=lambda: 0.5), 7) == [0.1, 0.2, 0.3, 0.5, 0.9, 1.0, 1.0]


def test_a_message_brings_the_wait_back_to_the_minimum() -> None:
    backoff = Backoff(60.0, chance=lambda: 0.5)
    waits(backoff, 5)
    assert backoff.next(found=True) == pytest.approx(0.1)
    assert backoff.next(found=False) == pytest.approx(0.2)


@pytest.mark.parametrize(("chance", "third"), [(0.0, 0.26), (1.0, 0.34)])
def test_chance_moves_the_growth_by_a_fifth(chance: float, third: float) -> None:
    assert waits(Backoff(60.0, chance=lambda: chance), 3)[2] == third


def test_a_queue_that_stays_empty_for_days_is_still_polled() -> None:
    backoff = Backoff(60.0)
    assert waits(backoff, 5000)[-1] == 60.0

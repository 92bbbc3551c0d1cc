"""docs/cost.md has what `bench.cost` computes from bench/footprint.json and bench/prices.json."""

import json
import re

import pytest

from bench import cost
from emulators.framework.checkout import PROJECT
from keywire.storage.layout import ALL_QUEUES

PAGE = (PROJECT / "docs" / "cost.md").read_text("utf-8")
FOOTPRINT = cost.read_footprint((PROJECT / "bench" / "footprint.json").read_text("utf-8"))
PRICES = cost.read_prices((PROJECT / "bench" / "prices.json").read_text("utf-8"))


def test_the_tables_are_those_that_the_command_prints() -> None:
    videos = cost.of_videos(FOOTPRINT, videos=1000, matches=1, deliveries=1)
    assert cost.table(list(videos), PRICES) in PAGE
    assert cost.table(list(cost.of_nothing(FOOTPRINT, polls=0)), PRICES) in PAGE


def test_the_limit_of_polls_is_the_one_that_the_command_adds() -> None:
    lines = cost.of_nothing(FOOTPRINT, polls=30)
    (polls,) = [line.amount for line in lines if "looked at" in line.how]
    assert f"it would be {polls:,.0f} queue operations" in PAGE
    interval = json.loads((PROJECT / "host.json").read_text("utf-8"))["extensions"]["queues"][
        "maxPollingInterval"
    ]
    assert interval == "00:00:02"


def test_an_amount_is_multiplied_by_its_price_or_omitted_without_one() -> None:
    lines = [cost.Line("blob_write", 20_000, "counted"), cost.Line("blob_read", 5, "counted")]
    prices = {
        "blob_write": cost.Price(name="writes", amount=0.05, per=10_000, source="mine"),
        "blob_read": cost.Price(name="reads", amount=None, per=10_000, source="unknown"),
    }
    assert cost.table(lines, prices).splitlines()[2:] == [
        "| writes | 20,000 | counted | 0.05 per 10,000 | 0.100 |",
        "| reads | 5.000 | counted | ? per 10,000 | ? |",
        "| sum, without 1 lines that have no price | | | | 0.100 |",
    ]


def test_every_line_has_an_entry_in_the_prices() -> None:
    counted = {**FOOTPRINT, cost.TOLD: 1.0, cost.FIGURES: 1.0}
    lines = [
        *cost.of_videos(counted, videos=1, matches=1, deliveries=1),
        *cost.of_nothing(counted, polls=1),
    ]
    assert {line.price for line in lines} == PRICES.keys()
    assert all(price.source for price in PRICES.values())


@pytest.mark.parametrize("kind", cost.STORAGE_KINDS)
def test_a_video_and_each_timer_have_a_count_of_each_kind(kind: str) -> None:
    for what in ("video", "confirm", *cost.TIMERS):
        assert FOOTPRINT[f"footprint.{what}.{kind}"] >= 0


def test_the_billed_memory_is_the_deployed_one() -> None:
    bicep = (PROJECT / "infra" / "modules" / "function-app.bicep").read_text("utf-8")
    (megabytes,) = re.findall(r"instanceMemoryMB: (\d+)", bicep)
    assert int(megabytes) == cost.INSTANCE_GB * 1024
    # `measure` reads each queue's length, and peeks into those with messages.
    assert FOOTPRINT["footprint.measure.queue"] >= len(ALL_QUEUES)

"""What Keywire costs: amounts that were counted, times prices that you bring.

    .venv/bin/python -m bench.cost [--prices FILE] [--videos N]

Reads what `dev.py bench footprint --json FILE` counted (`bench/footprint.json` is such a run) and a file of
prices, and prints two tables: N videos, and a month without any. An amount without a price is told all the
same; the sum says how many it leaves out. Free grants are not subtracted: they are the subscription's.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keywire.storage.layout import WORK_QUEUES

FOLDER: Final = Path(__file__).resolve().parent
DAYS: Final = 30
INSTANCE_GB: Final = 2.0  # instanceMemoryMB in infra/modules/function-app.bicep
LEAST_SECONDS: Final = 1.0  # what an execution period is billed for at least
WINDOW_SWEEPS_A_DAY: Final = 95  # every 15 minutes, but for the one that is a full sweep
WINDOW_SWEEPS_OF_A_VIDEO: Final = 97  # it is in the windows of 24 hours and a quarter
STORAGE_KINDS: Final[Mapping[str, str]] = {
    "write": "blob_write",
    "read": "blob_read",
    "list": "blob_list",
    "other": "blob_other",
    "queue": "queue_operation",
}
# Runs a month, by what `bench.footprint` counted of each.
TIMERS: Final[Mapping[str, int]] = {
    "measure": 288 * DAYS,
    "window_sweep": WINDOW_SWEEPS_A_DAY * DAYS,
    "full_sweep": DAYS,
    "keep_poison": DAYS,
}

# From `dev.py bench telemetry`, where the file has it.
TOLD: Final = "telemetry.application_insights.bytes_per_video"
FIGURES: Final = "telemetry.application_insights.figures_bytes_per_busy_minute"

type Footprint = Mapping[str, float]


@dataclass(frozen=True)
class Line:
    """So much of something that has a price, and how one comes to it."""

    price: str
    amount: float
    how: str


@dataclass(frozen=True, kw_only=True)
class Price:
    """What `per` of a thing cost; None where nobody has said.

    Attributes:
        name: The thing, for people.
        amount: In the currency of whoever brings the prices.
        per: How many that buys.
        source: Where it is from, and when.
    """

    name: str
    amount: float | None
    per: float
    source: str


def of_videos(footprint: Footprint, *, videos: int, matches: float, deliveries: float) -> Iterator[Line]:
    """What new videos take, their callback the only signal, and no two at the same time.

    Args:
        footprint: What was counted.
        videos: How many.
        matches: Interests that match a video.
        deliveries: Subscriptions that each event goes to.
    """
    for kind, price in STORAGE_KINDS.items():
        new, confirm = footprint[f"footprint.video.{kind}"], footprint[f"footprint.confirm.{kind}"]
        each, how = new + confirm, f"{new:.1f} when it is new, {confirm:.1f} when it is swept"
        if kind == "queue":
            jobs = 1 + footprint["footprint.confirm.video_indexer"]
            each, how = each + jobs + matches, f"{how}, {jobs:.1f} taken by the host, {matches:g} for matches"
        if kind == "other":
            each, how = each + WINDOW_SWEEPS_OF_A_VIDEO, f"{how}, {WINDOW_SWEEPS_OF_A_VIDEO} looks of sweeps"
        if each:
            yield Line(price, each * videos, how)
    executions = 2 + footprint["footprint.confirm.video_indexer"]
    yield Line(
        "execution",
        executions * videos,
        f"{executions:.1f} each: callback, extraction, what a sweep asks again",
    )
    seconds = executions * LEAST_SECONDS * INSTANCE_GB
    yield Line(
        "gb_second",
        seconds * videos,
        f"{executions:.1f} × {LEAST_SECONDS:.0f} s × {INSTANCE_GB:g} GB at most",
    )
    events = 1 + matches
    yield Line(
        "event_grid_operation",
        events * (1 + deliveries) * videos,
        f"{events:g} events, each published once and delivered {deliveries:g} times",
    )
    kept = footprint["footprint.video.document_bytes"] + footprint["footprint.video.history_bytes"]
    if said := footprint.get(TOLD):
        yield Line("telemetry_gb", said * videos / 1e9, f"{said / 1000:.1f} kB of spans and log lines each")
    yield Line("blob_gb_month", kept * videos / 1e9, f"{kept / 1000:.1f} kB each, every month from then on")


def of_nothing(footprint: Footprint, *, polls: float) -> Iterator[Line]:
    """What a month without any video takes.

    Args:
        footprint: What was counted.
        polls: How often a minute somebody looks whether a queue has messages: the platform, or an instance.
    """
    for kind, price in STORAGE_KINDS.items():
        amounts = {name: footprint[f"footprint.{name}.{kind}"] * runs for name, runs in TIMERS.items()}
        how = " + ".join(f"{name} {amount:,.0f}" for name, amount in amounts.items() if amount)
        yield Line(price, sum(amounts.values()), how)
    if polls:
        looks = polls * 60 * 24 * DAYS * len(WORK_QUEUES)
        yield Line(
            "queue_operation", looks, f"{len(WORK_QUEUES)} queues, each looked at {polls:g} times a minute"
        )
    runs = sum(TIMERS.values())
    if said := footprint.get(FIGURES):
        yield Line(
            "telemetry_gb", said * runs / 1e9, f"{said / 1000:.1f} kB of figures for each run of a timer"
        )
    yield Line("execution", runs, " + ".join(f"{name} {count:,}" for name, count in TIMERS.items()))
    yield Line(
        "gb_second", runs * LEAST_SECONDS * INSTANCE_GB, f"each {LEAST_SECONDS:.0f} s × {INSTANCE_GB:g} GB"
    )


def table(lines: Sequence[Line], prices: Mapping[str, Price]) -> str:
    """The lines as a Markdown table, with their sum."""
    rows = ["| what | amount | how | price | cost |", "| --- | ---: | --- | ---: | ---: |"]
    total, unknown = 0.0, 0
    for line in lines:
        price = prices[line.price]
        cost = "?"
        if price.amount is None:
            unknown += 1
        else:
            total += line.amount / price.per * price.amount
            cost = f"{line.amount / price.per * price.amount:.3f}"
        said = "?" if price.amount is None else f"{price.amount:g}"
        per = f" per {price.per:,.0f}" if price.per != 1 else ""
        rows.append(f"| {price.name} | {_number(line.amount)} | {line.how} | {said}{per} | {cost} |")
    left_out = f", without {unknown} lines that have no price" if unknown else ""
    rows.append(f"| sum{left_out} | | | | {total:.3f} |")
    return "\n".join(rows)


def read_prices(text: str) -> dict[str, Price]:
    """The prices in a file; see `bench/prices.json`."""
    listed: dict[str, dict[str, Any]] = json.loads(text)
    return {name: Price(**fields) for name, fields in listed.items()}


def read_footprint(text: str) -> Footprint:
    """The figures in a file that `dev.py bench footprint --json` wrote."""
    figures: dict[str, float] = json.loads(text)
    return figures


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.3f}"


def main() -> int:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--footprint", type=Path, default=FOLDER / "footprint.json", metavar="FILE")
    parser.add_argument("--prices", type=Path, default=FOLDER / "prices.json", metavar="FILE")
    parser.add_argument("--videos", type=int, default=1000, metavar="N")
    parser.add_argument("--matches", type=float, default=1, metavar="N", help="interests that match a video")
    parser.add_argument("--polls", type=float, default=0, metavar="N", help="looks at each queue a minute")
    parser.add_argument("--deliveries", type=float, default=1, metavar="N", help="Event Grid subscriptions")
    arguments = parser.parse_args()
    footprint = read_footprint(arguments.footprint.read_text("utf-8"))
    prices = read_prices(arguments.prices.read_text("utf-8"))
    lines = of_videos(
        footprint,
        videos=arguments.videos,
        matches=arguments.matches,
        deliveries=arguments.deliveries,
    )
    print(f"{arguments.videos} videos\n\n{table(list(lines), prices)}")
    print(f"\na month without any\n\n{table(list(of_nothing(footprint, polls=arguments.polls)), prices)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

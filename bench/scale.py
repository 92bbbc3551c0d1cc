"""What grows with what: the table of `docs/scale.md`, from a base load, what was counted, and limits.

    .venv/bin/python -m bench.scale [--videos-a-day N] [--archive N] [--matches N]

A load that is over its limit is marked. Limits of services are named with their source in `docs/scale.md`;
those marked `estimate` there rest on a figure that was not measured in Azure.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bench import cost
from keywire.reconciliation import reconciliation
from keywire.reconciliation.document_metadata import LISTING_PAGE_SIZE
from keywire.video_indexer import quota_ledger
from keywire.video_indexer.listing import PAGE_SIZE

FACTORS: Final = (1, 10, 100, 1000)
PEAK_SHARE: Final = 0.2  # of a day's videos come in its busiest hour
# "Some twenty megabytes" for 100,000 of them, see keywire/operations/backfill_pages.py.
MARK_BYTES: Final = 200
# Estimates, not measured in Azure: a list of so many blobs with metadata, and a look at one.
LIST_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 0.01
LOOKS_AT_ONCE: Final = 16
# Azure's, by its pages of limits: requests to a storage account, messages of a queue.
ACCOUNT_REQUESTS_A_SECOND: Final = 20_000
QUEUE_MESSAGES_A_SECOND: Final = 2_000
INSTANCE_MEMORY_MB: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of Keywire.

    Attributes:
        videos_a_day: New or indexed again.
        archive: Documents there are.
        matches: Interests that match a video.
    """

    videos_a_day: float = 500
    archive: float = 20_000
    matches: float = 2

    def times(self, factor: float) -> "Load":
        """So many times the videos and the archive; each video has as many matches as before."""
        return Load(
            videos_a_day=self.videos_a_day * factor, archive=self.archive * factor, matches=self.matches
        )

    @property
    def peak_a_minute(self) -> float:
        """Videos a minute in the busiest hour."""
        return self.videos_a_day * PEAK_SHARE / 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that grows, and where it ends."""

    name: str
    limit: float
    of: Callable[[Load], float]


def rows(footprint: cost.Footprint) -> Iterator[Row]:
    """Everything that grows, the first limits first."""
    storage = sum(footprint[f"footprint.video.{kind}"] for kind in cost.STORAGE_KINDS)
    kept = footprint["footprint.video.document_bytes"] + footprint["footprint.video.history_bytes"]
    yield Row(
        name="requests to Video Indexer a minute, busiest hour",
        limit=quota_ledger.REQUESTS_PER_MINUTE,
        of=lambda load: load.peak_a_minute,
    )
    yield Row(
        name="the same, all day long",
        limit=quota_ledger.REQUESTS_PER_MINUTE,
        of=lambda load: load.videos_a_day / (24 * 60),
    )
    yield Row(
        name="seconds of a full sweep's first step",
        limit=reconciliation.TOTAL_SECONDS,
        of=lambda load: load.archive / LISTING_PAGE_SIZE * LIST_SECONDS,
    )
    yield Row(
        name="MB of marks in a full sweep",
        limit=INSTANCE_MEMORY_MB,
        of=lambda load: load.archive * MARK_BYTES / 1e6,
    )
    yield Row(
        name="seconds of a window's sweep",
        limit=reconciliation.TOTAL_SECONDS,
        of=lambda load: (
            load.videos_a_day * LOOK_SECONDS / LOOKS_AT_ONCE
            + load.videos_a_day / PAGE_SIZE / (quota_ledger.REQUESTS_PER_MINUTE / 2 / 60)
        ),
    )
    yield Row(
        name="events a second on the queue, busiest hour",
        limit=QUEUE_MESSAGES_A_SECOND,
        of=lambda load: load.peak_a_minute / 60 * (1 + load.matches),
    )
    yield Row(
        name="requests to storage a second, busiest hour",
        limit=ACCOUNT_REQUESTS_A_SECOND,
        of=lambda load: (
            load.peak_a_minute / 60 * (storage + 1 + load.matches)
            + load.videos_a_day / 86_400 * cost.WINDOW_SWEEPS_OF_A_VIDEO
        ),
    )
    yield Row(name="GB kept", limit=float("inf"), of=lambda load: load.archive * kept / 1e9)


def table(base: Load, footprint: cost.Footprint) -> str:
    """The rows at each of `FACTORS`, as Markdown; what is over its limit is bold."""
    heads = " | ".join(f"{factor:,} ×" for factor in FACTORS)
    lines = [f"| | limit | {heads} |", f"| --- | ---: |{' ---: |' * len(FACTORS)}"]
    for row in rows(footprint):
        cells = [_cell(row.of(base.times(factor)), row.limit) for factor in FACTORS]
        limit = "" if row.limit == float("inf") else f"{row.limit:,.0f}"
        lines.append(f"| {row.name} | {limit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float, limit: float) -> str:
    said = f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"
    return f"**{said}**" if value > limit else said


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--videos-a-day", type=float, default=Load.videos_a_day, metavar="N")
    parser.add_argument("--archive", type=float, default=Load.archive, metavar="N")
    parser.add_argument("--matches", type=float, default=Load.matches, metavar="N")
    arguments = parser.parse_args()
    base = Load(videos_a_day=arguments.videos_a_day, archive=arguments.archive, matches=arguments.matches)
    print(table(base, cost.read_footprint((cost.FOLDER / "footprint.json").read_text("utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

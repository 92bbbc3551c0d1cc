"""Video Indexer's times: .NET TimeSpans, and the ranges of a video that they delimit.

They are counted in ticks of 100 ns, the TimeSpan's own unit, so merging and adding are exact. Only documents and events
have seconds.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

TICKS_PER_SECOND: Final = 10_000_000

# [d.]h:mm:ss[.f]. One-digit hours, days, absent fractions and fractions of any length occur. Digits of a fraction
# after the seventh are less than a tick.
_TIMESPAN: Final = re.compile(r"(?:(\d{1,8})\.)?(\d{1,8}):([0-5]?\d):([0-5]?\d)(?:\.(\d{1,7})\d*)?", re.ASCII)


class Range(NamedTuple):
    """A time range of a video, in ticks from its start; `end` is not before `start`."""

    start: int
    end: int


def parse_timespan(text: str) -> int:
    """Return the ticks of a .NET TimeSpan (`0:00:17`, `0:01:21.82`, `1.02:03:04.5678901`).

    Raises:
        ValueError: `text` is not a TimeSpan, or it is negative.
    """
    match = _TIMESPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a time of the form [d.]h:mm:ss[.fffffff]")
    days, hours, minutes, seconds, fraction = match.groups()
    total = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
    return total * TICKS_PER_SECOND + int((fraction or "").ljust(7, "0"))


def to_seconds(ticks: int) -> float:
    """Convert ticks to seconds."""
    return ticks / TICKS_PER_SECOND


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sort `ranges` and join those that overlap, touch or repeat."""
    merged: list[Range] = []
    for current in sorted(ranges):
        if merged and current.start <= merged[-1].end:
            merged[-1] = Range(merged[-1].start, max(merged[-1].end, current.end))
        else:
            merged.append(current)
    return tuple(merged)

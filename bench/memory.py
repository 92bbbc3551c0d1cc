"""`memory`: whether a process grows with the videos it has seen, and what a huge index costs it.

Resident memory of the extraction process, as Linux tells it. The huge index is one of 50 MB that Video
Indexer sends although only keywords were asked for, as it may: the parameter is a wish.
"""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Final

from bench import account, indexes, resident
from bench.figures import Aim, Figures
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {"memory.growth_ratio": Aim("<=", 1.1)}
VIDEOS: Final = 1000
FIRST: Final = 100
AT_ONCE: Final = 16
HUGE_BYTES: Final = 50_000_000
BYTES_PER_LINE: Final = 700  # of transcript and OCR together, roughly


async def run(scale: float) -> Figures:
    """Measure over `VIDEOS` × `scale` videos, and one of `HUGE_BYTES` × `scale`."""
    videos, first = max(20, round(VIDEOS * scale)), max(10, round(FIRST * scale))
    numbers = itertools.count()
    async with account.stack() as running:
        (process,) = running.host.processes["function:extraction"]
        await _process(running, numbers, first)
        early = resident.resident(process.pid)
        await _process(running, numbers, videos - first)
        late = resident.resident(process.pid)
        peak = await _huge(running, process.pid, round(HUGE_BYTES * scale))
        after = resident.resident(process.pid)
    return {
        "memory.growth_ratio": late / early,
        "memory.large_index_mb": peak,
        "memory.first_mb": early,
        "memory.last_mb": late,
        "memory.after_large_index_mb": after,
    }


async def _process(running: LocalStack, numbers: "itertools.count[int]", count: int) -> None:
    bodies = (indexes.index(next(numbers), lines=0) for _ in range(count))
    videos = await account.upload(running, bodies)
    async with account.caller(f"{running.host.url}/api/video-indexer/callback", running.function_key) as call:
        await account.send_all(call, videos, at_once=AT_ONCE)
        await account.events_sent(running, count)


async def _huge(running: LocalStack, pid: int, size: int) -> float:
    """The peak (MB) while an index of `size` bytes arrives that nobody asked for."""
    (video,) = await account.upload(running, [indexes.index(0, lines=size // BYTES_PER_LINE)])
    await account.go_wrong(running, operation="GetVideoIndex", kind="unfiltered", videoId=video)
    await asyncio.to_thread(resident.forget_peak, pid)
    async with account.caller(f"{running.host.url}/api/video-indexer/callback", running.function_key) as call:
        await account.send_all(call, [video], at_once=1)
        await account.events_sent(running, 1)
    return await asyncio.to_thread(resident.peak, pid)

"""`throughput`: from callbacks to events, beside the floor and beside the usual way.

The floor is what storage is asked for, bare (`floor`), at the concurrency that serves it best; the
baseline is `apps/baseline`. They take turns, and each turn has a new stack and new videos: Azurite becomes
slower with what it holds, and would count that against whoever comes later.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import account, floor, indexes
from bench.figures import Aim, Figures, median_ratio
from emulators.functions_host import FunctionsHost
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {
    "throughput.floor_ratio": Aim(">=", 0.6),
    "throughput.baseline_ratio": Aim(">=", 3.0),
}
VIDEOS: Final = 300
ROUNDS: Final = 5
AT_ONCE: Final = 32
WARM_UP: Final = 32
FLOOR_AT_ONCE: Final = (4, 8, 16, 32)
BASELINE: Final = Path(__file__).parent / "apps" / "baseline"


async def run(scale: float) -> Figures:
    """Measure `VIDEOS` × `scale` videos, `ROUNDS` times each way."""
    count = max(AT_ONCE, round(VIDEOS * scale))
    sample = floor.Sample.make()
    at_once = {number: await _floor(count, number, sample) for number in FLOOR_AT_ONCE}
    best = min(at_once, key=lambda number: at_once[number])
    ours: list[float] = []
    bare: list[float] = []
    baseline: list[float] = []
    for _ in range(ROUNDS):
        ours.append(await _ours(count))
        bare.append(await _floor(count, best, sample))
        baseline.append(await _baseline(count))
    return {
        "throughput.floor_ratio": median_ratio(bare, ours),
        "throughput.baseline_ratio": median_ratio(baseline, ours),
        "throughput.videos_per_second": count / statistics.median(ours),
        "throughput.floor_videos_per_second": count / statistics.median(bare),
        "throughput.baseline_videos_per_second": count / statistics.median(baseline),
        "throughput.floor_at_once": best,
    }


async def _ours(count: int) -> float:
    """The seconds from the first callback to the last event."""
    async with account.stack() as running:
        warm, videos = await _videos(running, count)
        await _called_back(running, running.host, warm)  # tokens and connections
        return await _called_back(running, running.host, videos)


async def _baseline(count: int) -> float:
    """The seconds from the first callback to the last answer, by when the events are sent."""
    async with account.stack(with_host=False) as running:
        environment = running.app_environment() | {"REQUESTS_CA_BUNDLE": str(running.certificates.authority)}
        async with FunctionsHost(BASELINE, environment) as host:
            warm, videos = await _videos(running, count)
            await _called_back(running, host, warm)
            return await _called_back(running, host, videos)


async def _floor(count: int, at_once: int, sample: floor.Sample) -> float:
    """The seconds of the bare requests."""
    async with account.stack(with_host=False) as running:
        await floor.seconds(running, WARM_UP, at_once, sample)
        return await floor.seconds(running, count, at_once, sample)


async def _videos(running: LocalStack, count: int) -> tuple[list[str], list[str]]:
    bodies = [indexes.index(number) for number in range(WARM_UP + count)]
    videos = await account.upload(running, bodies)
    return videos[:WARM_UP], videos[WARM_UP:]


async def _called_back(running: LocalStack, host: FunctionsHost, videos: Sequence[str]) -> float:
    async with account.caller(f"{host.url}/api/video-indexer/callback", running.function_key) as call:
        began = time.perf_counter()
        sending = asyncio.create_task(account.send_all(call, videos, at_once=AT_ONCE))
        took = await account.events_sent(running, len(videos), since=began)
        await sending
    return took

"""`cold_start`: from the start of a process to its first 202, and the import alone.

Beside the least that an app can be (`apps/floor`), through the same host, in turn.
"""

import asyncio
import statistics
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench import account
from bench.figures import Aim, Figures, median_ratio
from emulators.framework.checkout import PROJECT
from emulators.framework.processes import python
from emulators.functions_host import FunctionsHost
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {"cold_start.ratio": Aim("<=", 1.6)}
ROUNDS: Final = 15
ONLY_HTTP: Final = {
    "function:extraction": 0,
    "function:rematch": 0,
    "function:deliver_event_grid": 0,
    "function:backfill": 0,
    "function:backfill_pages": 0,
    "function:reconciliation": 0,
    "function:keep_poison": 0,
    "function:measure": 0,
}
FLOOR: Final = Path(__file__).parent / "apps" / "floor"


async def run(scale: float) -> Figures:
    """Measure `ROUNDS` × `scale` starts of each app."""
    rounds = max(2, round(ROUNDS * scale))
    found: dict[str, list[float]] = {"ours": [], "floor": [], "import": [], "floor import": []}
    async with account.stack(with_host=False) as running:
        for number in range(rounds + 1):
            measured = {
                "ours": await _first_answer(running, PROJECT),
                "floor": await _first_answer(running, FLOOR),
                "import": await _import(running, PROJECT),
                "floor import": await _import(running, FLOOR),
            }
            if number:  # the first round only warms the disk
                for name, seconds in measured.items():
                    found[name].append(seconds)
    return {
        "cold_start.ratio": median_ratio(found["ours"], found["floor"]),
        "cold_start.import_ratio": median_ratio(found["import"], found["floor import"]),
        "cold_start.seconds": statistics.median(found["ours"]),
        "cold_start.floor_seconds": statistics.median(found["floor"]),
        "cold_start.import_seconds": statistics.median(found["import"]),
        "cold_start.floor_import_seconds": statistics.median(found["floor import"]),
    }


async def _first_answer(running: LocalStack, app: Path) -> float:
    """The seconds from the start of the HTTP process to its first 202."""
    began = time.perf_counter()
    async with FunctionsHost(app, running.app_environment(), ONLY_HTTP) as host:
        url = f"{host.url}/api/video-indexer/callback"
        async with account.caller(url, running.function_key) as call:
            status = await call(uuid.uuid4().hex)
        took = time.perf_counter() - began
    if status != 202:
        raise RuntimeError(f"the first callback was answered with {status}")
    return took


async def _import(running: LocalStack, app: Path) -> float:
    """The seconds of a Python that imports the app and ends."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *python("-c", "import function_app"), cwd=app, env=running.app_environment()
    )
    if await process.wait():
        raise RuntimeError(f"{app} can't be imported")
    return time.perf_counter() - began

"""`python3 dev.py bench [NAME]... [--json FILE]`: the measurements, with what is aimed at."""

import argparse
import asyncio
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Final

from local.serve import run as run_on_stack

NAMES: Final = (
    "ack",
    "throughput",
    "operations",
    "cold_start",
    "memory",
    "match",
    "quota",
    "backfill",
    "footprint",
    "telemetry",
)


def main() -> int:
    """Parse the command line and measure."""
    arguments = parser().parse_args()
    return run_on_stack(_measure(arguments.names or list(NAMES), arguments.scale, arguments.json))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    found.add_argument(
        "names", nargs="*", metavar="NAME", type=_name, help=f"of {', '.join(NAMES)}; all without one"
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="leave the figures there")
    found.add_argument("--scale", type=float, default=1.0, help="of the work, for a quick look: 0.1 of it")
    return found


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no benchmark {text}; there are {', '.join(NAMES)}")
    return text


async def _measure(names: list[str], scale: float, file: Path | None) -> int:
    machine = f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    print(f"{machine}, Python {platform.python_version()}", flush=True)
    found: dict[str, float] = {}
    for name in names:
        benchmark = importlib.import_module(f"bench.{name}")
        began = time.monotonic()
        figures = await benchmark.run(scale)
        print(f"\n{name} ({time.monotonic() - began:.0f} s)")
        for key, value in figures.items():
            aim = benchmark.AIMS.get(key)
            said = "" if aim is None else f"  aim {aim}, {'met' if aim.is_met(value) else 'MISSED'}"
            print(f"  {key:<44}{value:>10.3f}{said}", flush=True)
        found |= figures
    if file is not None:
        await asyncio.to_thread(file.write_text, json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python3 dev.py chaos`: videos under faults, and an audit of what came of them."""

import argparse
import asyncio
import json
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from emulators.framework.checkout import PROJECT
from local.chaos import plan
from local.chaos.report import Report
from local.chaos.run import Run, Told
from local.chaos.watch import StalledError
from local.serve import run

FOLDER: Final = PROJECT / ".chaos"
SHOWN_FINDINGS: Final = 40
LINE_SECONDS: Final = 15.0


class OnConsole(Told):
    """Says it to a person: in a terminal, how far it is stays in one line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._said_at = 0.0

    def phase(self, text: str) -> None:
        """See `Told`."""
        self._console.print(text, style="bold", highlight=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        """See `Told`."""
        if self._status is not None:
            self._status.start()
            self._status.update(text)
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._console.print(f"  {text}", highlight=False, soft_wrap=True)
            self._said_at = time.monotonic()

    def end(self) -> None:
        """Nothing follows."""
        if self._status is not None:
            self._status.stop()


def main() -> int:
    """Parse the command line, run, and return the exit code: 1 when anything is wrong."""
    arguments = parser().parse_args()
    return run(_chaos(arguments, Console()))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__)
    found.add_argument("--videos", type=_count, default=50, help="how many (default: 50)")
    found.add_argument("--seed", type=int, default=1, help="decides what goes wrong when (default: 1)")
    found.add_argument("--json", metavar="FILE", type=Path, help="write the figures there")
    found.add_argument("--calm", action="store_true", help="without faults")
    found.add_argument("--keep-logs", action="store_true", help="leave the logs there when all is well, too")
    return found


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


async def _chaos(arguments: argparse.Namespace, console: Console) -> int:
    planned = plan.make(arguments.videos, arguments.seed, faults=not arguments.calm)
    console.print(f"seed {planned.seed}", highlight=False)
    folder = FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{arguments.videos}-{arguments.seed}"
    told = OnConsole(console)
    try:
        report = await Run(plan=planned, folder=folder, told=told).report()
    except StalledError as error:
        console.print(f"{error}\nthe logs are in {folder}", style="red", markup=False, soft_wrap=True)
        return 1
    except BaseException:
        console.print(f"the logs are in {folder}", style="red", markup=False, soft_wrap=True)
        raise
    finally:
        told.end()
    if arguments.json:
        arguments.json.write_text(json.dumps(report.figures(), indent=2) + "\n")
    _show(report, console)
    if report.findings:
        (folder / "findings.txt").write_text("".join(f"{finding}\n" for finding in report.findings))
    if report.findings or arguments.keep_logs:
        console.print(f"the logs are in {folder}", markup=False, soft_wrap=True)
    else:
        await asyncio.to_thread(shutil.rmtree, folder)
    return 1 if report.findings else 0


def _show(report: Report, console: Console) -> None:
    for name, value in report.figures().items():
        shown = ", ".join(f"{kind} {count}" for kind, count in value.items()) if name == "faults" else value
        console.print(f"{name}: {shown}", markup=False, highlight=False, soft_wrap=True)
    for finding in report.findings[:SHOWN_FINDINGS]:
        console.print(finding, style="red", markup=False, highlight=False, soft_wrap=True)
    more = len(report.findings) - SHOWN_FINDINGS
    if more > 0:
        console.print(f"… and {more} more", style="red")
    if not report.findings:
        right = f"all {report.audit.documents_expected} documents are right, nothing is lost"
        console.print(f"{right}, nothing leaked", style="green", highlight=False)


if __name__ == "__main__":
    sys.exit(main())

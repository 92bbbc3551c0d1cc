"""All checks that do not run the app: lint, format, types, imports, links, lock files, schemas, `infra/`."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT
from tools import lock, openapi, schemas
from tools.infra_check import checkov, known_at_start, syntax

SCRIPTS: Final = Path(sys.executable).parent
COMMANDS: Final = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("lint-imports", "--no-logo", "--no-cache"),
    ("rumdl", "check"),
)
# checkov takes longest and reads files that parse, so it comes last.
CHECKS: Final[Mapping[str, Callable[[], Sequence[str]]]] = {
    "lock files": lock.problems,
    "schemas": lambda: schemas.problems() + openapi.problems(),
    "infra": lambda: syntax.all_problems() or known_at_start.all_problems() or checkov.problems(),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return argparse.ArgumentParser(prog="dev.py check", description=__doc__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check, even after one has failed; return 1 if any did."""
    parser().parse_args(arguments)
    failed = False
    for command in COMMANDS:
        print(f"$ {' '.join(command)}", flush=True)
        failed |= subprocess.call([SCRIPTS / command[0], *command[1:]], cwd=PROJECT) != 0
    for name, check in CHECKS.items():
        print(f"$ {name}", flush=True)
        for problem in check():
            print(problem)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

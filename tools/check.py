"""Everything that is checked without running the program: lint, format, types, requirements, `infra/`."""

import subprocess
import sys
from collections.abc import Sequence
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
)


def main() -> int:
    """Run every check, also after one failed; 1 if any did."""
    failed = False
    for command in COMMANDS:
        print(f"$ {' '.join(command)}", flush=True)
        failed |= subprocess.call([SCRIPTS / command[0], *command[1:]], cwd=PROJECT) != 0
    print("$ requirements in step", flush=True)
    failed |= _tell(lock.problems())
    print("$ schemas in step", flush=True)
    failed |= _tell(schemas.problems() + openapi.problems())
    print("$ infra", flush=True)
    failed |= _tell(syntax.all_problems() or known_at_start.all_problems() or checkov.problems())
    return int(failed)


def _tell(problems: Sequence[str]) -> bool:
    for problem in problems:
        print(problem)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

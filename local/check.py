"""Everything that is checked without running the program: lint, format, types, requirements, `infra/`."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from local import lock, openapi, schemas
from local.infra_check import checkov, known_at_start, syntax
from local.processes import python

COMMANDS: Final = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
)


def main() -> int:
    """Run every check, also after one failed; 1 if any did."""
    failed = False
    for command in COMMANDS:
        print(f"$ {' '.join(command)}", flush=True)
        failed |= subprocess.call(python("-m", *command), cwd=lock.PROJECT) != 0
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

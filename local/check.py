"""Everything that is checked without running the program: lint, format, types, requirements."""

import subprocess
import sys
from typing import Final

from local import lock
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
    for problem in lock.problems():
        print(problem)
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

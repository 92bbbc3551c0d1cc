"""The locked requirements, which `uv pip compile` writes from pyproject.toml.

- `requirements.txt`: what the app runs on in Azure.
- `requirements-dev.txt`: that, the local stack and the tests.
- `requirements-node.txt`: a Node.js for machines without one.
- `requirements-checkov.txt`: the environment that checks `infra/`.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT

LOCKS: Final = {
    "requirements.txt": ("pyproject.toml",),
    "requirements-dev.txt": ("pyproject.toml", "--group", "dev", "-c", "requirements.txt"),
    "requirements-node.txt": ("--group", "node"),
    "requirements-checkov.txt": ("--group", "checkov"),
}
_COMPILE: Final = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.13"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
)
_ADDRESS: Final = re.compile(r"^[^#]*https?://|--(?:extra-)?index-url|--find-links", re.MULTILINE)
_RESOLVED: Final = '"resolved":'


class LockError(Exception):
    """uv could not compile a lock file; it printed why."""


def compile_locks(directory: Path, *, upgrade: bool) -> None:
    """Write the lock files of `directory`; without `upgrade`, keep each version that is still allowed.

    Raises:
        LockError: uv failed.
    """
    for name, arguments in LOCKS.items():
        command = [*_COMPILE, *arguments, "-o", name, *(["--upgrade"] if upgrade else [])]
        if subprocess.call(command, cwd=directory) != 0:
            raise LockError(
                f"uv could not compile {name} (see above). uv does not read pip's configuration: "
                "if your package index is set there, set UV_DEFAULT_INDEX too."
            )


def problems() -> list[str]:
    """Return what is wrong with the lock files, a sentence each."""
    found = [
        f"{name} names a download address" for name in LOCKS if _ADDRESS.search((PROJECT / name).read_text())
    ]
    if _RESOLVED in (PROJECT / "package-lock.json").read_text():
        found.append("package-lock.json names download addresses: set npm's omit-lockfile-registry-resolved")
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        for name in ("pyproject.toml", *LOCKS):
            shutil.copy(PROJECT / name, directory)
        try:
            compile_locks(directory, upgrade=False)
        except LockError as error:
            return [*found, str(error)]
        found += [
            f"{name} does not match pyproject.toml: run `python3 dev.py lock`"
            for name in LOCKS
            if (directory / name).read_text() != (PROJECT / name).read_text()
        ]
    return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="dev.py lock", description="Compile requirements*.txt from pyproject.toml."
    )
    found.add_argument(
        "--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows"
    )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile the lock files; return 1 if uv fails."""
    try:
        compile_locks(PROJECT, upgrade=parser().parse_args(arguments).upgrade)
    except LockError as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The locked requirements: compiled from pyproject.toml, and checked to be in step with it.

`requirements.txt` is what Azure installs, `requirements-dev.txt` adds the local stack and the tests, and
`requirements-node.txt` brings a Node.js where there is none, and `requirements-checkov.txt` is an environment
of its own for checking `infra/`. A check compiles anew with the pins that are
there: a newer release alone changes nothing, another requirement does.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT

_COMPILE: Final = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.13"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
)
LOCKS: Final = {
    "requirements.txt": ("pyproject.toml",),
    "requirements-dev.txt": ("pyproject.toml", "--group", "dev", "-c", "requirements.txt"),
    "requirements-node.txt": ("--group", "node"),
    "requirements-checkov.txt": ("--group", "checkov"),
}
_ADDRESS: Final = re.compile(r"^[^#]*https?://|--(?:extra-)?index-url|--find-links", re.MULTILINE)
_RESOLVED: Final = '"resolved":'


def compile_locks(directory: Path, *, upgrade: bool) -> None:
    """Write every lock of `directory` anew; without `upgrade` the pins that are there stay."""
    for name, arguments in LOCKS.items():
        command = [*_COMPILE, *arguments, "-o", name, *(["--upgrade"] if upgrade else [])]
        subprocess.run(command, cwd=directory, env=os.environ | {"PATH": _path()}, check=True)


def problems() -> list[str]:
    """What is wrong with the locks, a sentence each."""
    found = [
        f"{name} names a download address" for name in LOCKS if _ADDRESS.search((PROJECT / name).read_text())
    ]
    if _RESOLVED in (PROJECT / "package-lock.json").read_text():
        found.append("package-lock.json names download addresses: set npm's omit-lockfile-registry-resolved")
    with tempfile.TemporaryDirectory(dir=PROJECT, prefix=".lock-") as temporary:
        directory = Path(temporary)
        for name in ("pyproject.toml", *LOCKS):
            shutil.copy(PROJECT / name, directory)
        compile_locks(directory, upgrade=False)
        found += [
            f"{name} is not what pyproject.toml asks for: run `python3 dev.py lock`"
            for name in LOCKS
            if (directory / name).read_text() != (PROJECT / name).read_text()
        ]
    return found


def _path() -> str:
    return str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")


if __name__ == "__main__":
    compile_locks(PROJECT, upgrade="--upgrade" in sys.argv[1:])

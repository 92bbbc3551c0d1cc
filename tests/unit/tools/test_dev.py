"""`dev.py`: its command line, and what it runs for each command."""

import os
import shutil
from pathlib import Path

import pytest

import dev
from tests.support.commands import parser_of
from tests.support.dev_checkout import DevCheckout

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")

MODULES = [command.module for command in dev.COMMANDS.values() if command.module not in {None, "pytest"}]
WORKERS = f"-n {min(8, 2 * (os.cpu_count() or 1))} "


@pytest.fixture
def checkout(tmp_path: Path) -> DevCheckout:
    return DevCheckout(tmp_path)


def is_80_columns_wide(text: str) -> bool:
    return max(map(len, text.splitlines())) <= 80


def test_help_lists_the_commands(checkout: DevCheckout) -> None:
    ran = checkout.run("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert is_80_columns_wide(ran.stdout)
    commands = ran.stdout.partition("commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in commands.splitlines()] == list(dev.COMMANDS)


@pytest.mark.parametrize("name", dev.COMMANDS)
def test_help_of_a_command_needs_no_environment_and_changes_nothing(checkout: DevCheckout, name: str) -> None:
    before = checkout.files()
    for option in ("--help", "-h"):
        ran = checkout.run(name, option)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith(f"usage: python3 dev.py {name}")
        assert is_80_columns_wide(ran.stdout)
    assert checkout.files() == before


@pytest.mark.parametrize("name", [name for name, each in dev.COMMANDS.items() if each.module in MODULES])
def test_with_an_environment_the_command_prints_its_own_help(checkout: DevCheckout, name: str) -> None:
    checkout.make_ready()
    ran = checkout.run(name, "try", "--help")
    assert ran.stdout == f"ran -m {dev.COMMANDS[name].module} try --help, node none\n"


def test_help_of_test_says_what_dev_py_adds_to_pytest(checkout: DevCheckout) -> None:
    checkout.make_ready()
    assert "All arguments go to pytest" in checkout.run("test", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "usage: python3 dev.py COMMAND"),
        (["explode"], "invalid choice: 'explode'"),
        (["--loud"], "dev.py: error: "),
        (["setup", "--loud"], "unrecognized arguments: --loud"),
        (["setup", "loud"], "unrecognized arguments: loud"),
    ],
)
def test_a_wrong_command_line_exits_with_2_before_any_set_up(
    checkout: DevCheckout, arguments: list[str], error: str
) -> None:
    before = checkout.files()
    ran = checkout.run(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert error in ran.stderr
    assert checkout.files() == before


@pytest.mark.parametrize("module", MODULES)
def test_every_command_refuses_an_unknown_argument(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parser = parser_of(module)
    assert is_80_columns_wide(parser.format_help())
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--no-such-argument"])
    assert capsys.readouterr().err.startswith("usage: dev.py ")


@pytest.mark.parametrize(
    ("arguments", "workers", "azurite"),
    [
        ("", WORKERS, True),
        ("tests", WORKERS, True),
        ("tests/integration -q", WORKERS, True),
        ("tests/unit", WORKERS, False),
        ("-k callback", WORKERS, True),
        ("-k keywire tests/unit", WORKERS, False),
        ("tests/unit tests/integration", WORKERS, True),
        ("tests/unit/keywire", "", False),
        ("-q tests/unit/keywire/test_a.py::test_x tests/unit/keywire", "", False),
        ("tests/integration/test_b.py", "", True),
        ("tests/unit/keywire tests/integration/test_b.py", "", True),
        # The path is an option's value.
        ("--ignore tests/unit", WORKERS, True),
        ("--ignore=tests/integration tests/unit", WORKERS, False),
        # The user decides on the processes.
        ("-n 3", "", True),
        ("-n3", "", True),
        ("-nauto tests/unit", "", False),
        ("--numprocesses=3", "", True),
        ("--pdb", "", True),
        ("-s tests/unit", "", False),
        ("-p no:xdist", "", True),
    ],
)
def test_test_chooses_workers_and_azurite_by_its_arguments(
    checkout: DevCheckout, arguments: str, workers: str, azurite: bool
) -> None:
    checkout.make_ready()
    ran = checkout.run("test", *arguments.split())
    command = f"-m pytest {workers}{arguments}".strip()
    assert ran.stdout == f"ran {command}, node {checkout.programs / 'node' if azurite else 'none'}\n"


def test_unit_tests_run_on_a_machine_without_node(checkout: DevCheckout) -> None:
    checkout.make_ready()
    (checkout.programs / "node").unlink()
    shutil.rmtree(checkout.folder / "node_modules")
    assert checkout.run("test", "tests/unit").stdout == f"ran -m pytest {WORKERS}tests/unit, node none\n"


def test_it_runs_on_the_oldest_python(checkout: DevCheckout) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    old = next(pyenv.glob("versions/3.9.*/bin/python"), None) or shutil.which("python3.9")
    if old is None:
        pytest.skip("there is no Python 3.9 here; ruff still checks the syntax")
    checkout.make_ready()
    assert checkout.run("schemas", interpreter=old).stdout == "ran -m tools.schemas, node none\n"

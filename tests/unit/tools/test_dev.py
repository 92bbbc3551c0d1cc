"""`dev.py`: what it finds to work with, and what it says when it finds nothing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from emulators.framework.checkout import PROJECT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


@pytest.fixture
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", PROJECT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH, and no pyenv."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_python_on_path_that_fails_when_it_is_run_is_passed_over(dev: ModuleType, path: Path) -> None:
    program(path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    right = program(path / "pyenv" / "versions" / "3.13.0" / "bin" / "python", f'exec {sys.executable} "$@"')
    assert dev.find_python() == [str(right)]


def test_an_old_python_is_passed_over(dev: ModuleType, path: Path) -> None:
    program(path / "python3.14", "exit 1")
    program(path / "python3", f'exec {sys.executable} "$@"')
    assert dev.find_python() == ["python3"]


def test_a_python_that_only_uv_knows_is_found(dev: ModuleType, path: Path) -> None:
    hidden = program(path / "elsewhere" / "python", f'exec {sys.executable} "$@"')
    program(path / "uv", f"echo {hidden}")
    assert dev.find_python() == [str(hidden)]


def test_without_any_python_it_says_what_to_do(dev: ModuleType, path: Path) -> None:
    with pytest.raises(dev.SetupError, match=r"no Python >= 3\.13 was found; install one"):
        dev.find_python()


def test_a_node_that_is_new_enough_is_used(dev: ModuleType, path: Path) -> None:
    node = program(path / "node", "echo v22.1.0")
    npm = program(path / "npm", "exit 0")
    assert dev.find_node() == (str(node), [str(npm)])


@pytest.mark.parametrize("script", ["echo v18.20.0", "exit 1", "echo nonsense"])
def test_a_node_that_is_too_old_or_broken_is_replaced_by_the_packaged_one(
    dev: ModuleType, path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program(path / "node", script)
    program(path / "npm", "exit 0")
    packaged = program(path / "packaged" / "bin" / "node", "echo v24.1.0")
    program(path / "venv-python", f"echo {path / 'packaged'}")
    installed: list[str] = []
    monkeypatch.setattr(dev, "VENV", path)
    monkeypatch.setattr(dev, "VENV_PYTHON", path / "venv-python")
    monkeypatch.setattr(dev, "install", lambda lock: installed.append(lock.name))
    assert dev.find_node()[0] == str(packaged)
    assert dev.find_node()[0] == str(packaged)
    assert installed == ["requirements-node.txt"]


def test_a_failed_step_is_one_sentence_and_exit_code_2(
    dev: ModuleType, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "VENV", path / "venv")
    monkeypatch.setattr(dev, "VENV_PYTHON", program(path / "venv" / "bin" / "python", "exit 1"))
    monkeypatch.setattr(dev, "is_new_enough", lambda _: True)
    assert dev.main(["test"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "dev.py: pip could not install requirements-dev.txt: is a package index reachable?"


def test_an_unknown_command_shows_the_commands_and_fails(
    dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dev.main(["explode"]) == 2
    assert "python3 dev.py demo" in capsys.readouterr().out


def test_it_is_syntax_of_python_39() -> None:
    code = f"import ast; ast.parse(open({str(PROJECT / 'dev.py')!r}).read(), feature_version=(3, 9))"
    subprocess.run([sys.executable, "-c", code], check=True)

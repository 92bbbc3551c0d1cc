"""`dev.py lock`: what `dev.py check` finds in the lock files, and what a failure of uv prints."""

import shutil
from pathlib import Path

import pytest

from emulators.framework.checkout import PROJECT
from tools import lock

ADDRESS = "https://x"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the lock files, on a machine without a network."""
    for name in ("pyproject.toml", "package-lock.json", *lock.LOCKS):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setattr(lock, "PROJECT", tmp_path)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def test_if_uv_fails_lock_prints_what_to_do_and_exits_with_1(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {name: (checkout / name).read_bytes() for name in lock.LOCKS}
    assert lock.main([]) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("lock: uv could not compile requirements.txt (see above). ")
    assert {name: (checkout / name).read_bytes() for name in lock.LOCKS} == before
    (problem,) = lock.problems()
    assert problem == error.removeprefix("lock: ")


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("requirements.txt", "--index-url x", "requirements.txt names a download address"),
        ("requirements-dev.txt", f"a @ {ADDRESS}/a.whl", "requirements-dev.txt names a download address"),
        (
            "package-lock.json",
            f'"resolved": "{ADDRESS}"',
            "package-lock.json names download addresses: set npm's",
        ),
    ],
)
def test_a_download_address_in_a_lock_file_is_found(
    checkout: Path, name: str, line: str, problem: str
) -> None:
    (checkout / name).write_text(f"{line}\n# https://example.com is a comment\n")
    found = [each for each in lock.problems() if "download address" in each]
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_lock_file_that_does_not_match_pyproject_toml_is_found(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_locks(directory: Path, *, upgrade: bool) -> None:
        assert not upgrade
        (directory / "requirements-node.txt").write_text("changed")

    monkeypatch.setattr(lock, "compile_locks", compile_locks)
    assert lock.problems() == [
        "requirements-node.txt does not match pyproject.toml: run `python3 dev.py lock`"
    ]

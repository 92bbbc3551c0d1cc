"""`dev.py check`: a failed check does not hide the others, and broken links are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulators.framework.checkout import PROJECT
from tools import check


def test_every_check_runs_even_after_one_has_failed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "COMMANDS", ())
    monkeypatch.setattr(check, "CHECKS", {"one": lambda: ["a problem"], "two": list})
    assert check.main([]) == 1
    assert capfd.readouterr().out == "$ one\na problem\n$ two\n"
    monkeypatch.setattr(check, "CHECKS", {"two": list})
    assert check.main([]) == 0
    # With an argument that it knows this Python ends with 0, with another it does not.
    for argument, code in (("--version", 0), ("--no-such-argument", 1)):
        monkeypatch.setattr(check, "COMMANDS", ((Path(sys.executable).name, argument),))
        assert check.main([]) == code


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("b.md#the-events", None),
        ("../README.md", None),
        ("#twice-1", None),
        ("https://learn.microsoft.com/azure", None),
        ("gone.md", "Relative link 'gone.md' does not exist"),
        ("b.md#gone", "Link fragment 'gone' not found in 'b.md'"),
        ("#gone", "Link anchor '#gone' does not exist"),
    ],
)
def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path, link: str, problem: str | None) -> None:
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Keywire\n")
    (tmp_path / "docs" / "a.md").write_text(f"# A\n\n## Twice\n\n## Twice\n\nA [link]({link}).\n")
    (tmp_path / "docs" / "b.md").write_text("# B\n\n## The events\n")
    command = next(command for command in check.COMMANDS if command[0] == "rumdl")
    ran = subprocess.run(
        [check.SCRIPTS / command[0], *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, problem is None or problem in ran.stdout) == (int(problem is not None), True)

"""What a run says in the end."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.chaos import __main__ as command
from local.chaos.audit import Audit
from local.chaos.fault_kinds import Kind
from local.chaos.report import Report
from local.chaos.watch import StalledError

CLEAN = Report(videos=3, audit=Audit(documents=2), faults={Kind.HANG: 4}, seconds=12.345)


def test_every_kind_of_fault_is_in_the_figures() -> None:
    figures = CLEAN.figures()
    assert (figures["videos"], figures["documents"], figures["seconds"]) == (3, 2, 12.3)
    assert figures["faults"] == {kind: 4 if kind is Kind.HANG else 0 for kind in Kind}
    assert CLEAN.findings == []


def spoilt(**parts: Any) -> Report:
    return replace(Report(videos=3, audit=Audit(), faults={}, seconds=1.0), **parts)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (CLEAN, 0),
        (spoilt(audit=Audit(findings=["an event is lost"])), 1),
        (spoilt(leaks=("http.log:2 holds the function key",)), 1),
        (spoilt(unmet=(Kind.KILL_HTTP,)), 1),
    ],
)
async def test_the_exit_code_and_the_logs_tell_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Report, code: int
) -> None:
    class Done:
        def __init__(self, *, folder: Path, **_: object) -> None:
            self.folder = folder

        async def report(self) -> Report:
            self.folder.mkdir(parents=True)
            return report

    assert await run(tmp_path, monkeypatch, Done) == code
    assert bool(list(tmp_path.glob("*/findings.txt"))) == bool(code)
    assert bool(list(tmp_path.iterdir())) == bool(code)


async def test_a_run_that_does_not_become_quiet_says_what_still_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stalled:
        def __init__(self, **_: object) -> None:
            return

        async def report(self) -> Report:
            raise StalledError("the queue extraction has 3 messages")

    assert await run(tmp_path, monkeypatch, Stalled) == 1
    said = capsys.readouterr().out
    assert "the queue extraction has 3 messages" in said
    assert "the logs are in" in said


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: type) -> int:
    monkeypatch.setattr(command, "Run", kind)
    monkeypatch.setattr(command, "FOLDER", folder)
    arguments = argparse.Namespace(videos=2, seed=1, calm=True, json=None, keep_logs=False)
    return await command._chaos(arguments, Console())

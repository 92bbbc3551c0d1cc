"""The demo as a user runs it: its exit code, what it prints, what it leaves, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from emulators.framework.checkout import PROJECT
from keywire.documents import document as documents
from tests.support.builders import index, keyword
from tests.support.commands import run_module


async def run_demo(*arguments: str) -> tuple[int, str]:
    return await run_module("local.demo", *arguments)


def event_types(lines: Sequence[str]) -> list[str]:
    return sorted(json.loads(line)["type"] for line in lines)


async def test_the_samples_come_through_and_are_left_in_the_output_folder(tmp_path: Path) -> None:
    code, output = await run_demo("--output", str(tmp_path))
    assert code == 0, output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["videos"], summary["documents"]) == (6, 6)
    assert summary["seconds"] > 0
    stored = [documents.decode(path.read_bytes()) for path in (tmp_path / "documents").iterdir()]
    assert {document.name: document.version for document in stored}["Product launch"] == 2
    assert {document.language for document in stored} == {"en-US", "en-GB", "ja-JP", "de-DE"}
    assert [len(document.keywords) for document in stored].count(0) == 1
    assert "office insider" in [kept["text"] for document in stored for kept in document.keywords]
    events = (tmp_path / "events.jsonl").read_text().splitlines()
    about_keywords = [kind for kind in event_types(events) if "keywords" in kind]
    assert about_keywords == ["keywire.keywords.changed.v1"] + 6 * ["keywire.keywords.extracted.v1"]
    matches = event_types(events).count("keywire.interest.matched.v1")
    assert (summary["events"], summary["matches"]) == (7 + matches, matches)
    assert matches >= 4
    assert "met '産業用ロボット' (confidence 0.96) at 0:03 to 0:11" in output
    assert "6 of 6 videos came through" in output
    assert '"specversion": "1.0"' in output


async def test_a_file_that_is_no_index_is_refused_by_name_and_reason_and_the_others_run(
    tmp_path: Path,
) -> None:
    (tmp_path / "good.json").write_bytes(b"\xef\xbb\xbf" + index([keyword("one")], name="N" * 100))
    (tmp_path / "later.json").write_bytes(index([keyword("two")]))
    (tmp_path / "v1.json").write_text('{"state": "Processed", "breakdowns": []}')
    (tmp_path / "text.json").write_text("not json")
    out = tmp_path / "out"
    code, output = await run_demo(
        *(
            part
            for name in ("good", "v1", "text", "absent")
            for part in ("--index", str(tmp_path / f"{name}.json"))
        ),
        *("--reindex", f"good.json={tmp_path / 'later.json'}", "--output", str(out)),
    )
    assert code == 1
    assert "refused v1.json: the index has no list of videos" in output
    assert "refused text.json: the index is not JSON" in output
    assert "refused absent.json: No such file" in output
    (document,) = (documents.decode(path.read_bytes()) for path in (out / "documents").iterdir())
    assert (document.version, document.name) == (2, "N" * 100)
    assert [kept["text"] for kept in document.keywords] == ["two"]
    assert len((out / "events.jsonl").read_text().splitlines()) == 2


async def test_a_reindex_that_finds_the_same_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "same.json"
    path.write_bytes(index([keyword("one")]))
    code, output = await run_demo(
        "--index", str(path), "--reindex", f"{path}={path}", "--output", str(tmp_path)
    )
    assert code == 0, output
    assert json.loads((tmp_path / "summary.json").read_text())["events"] == 1


async def test_other_interests_may_be_given_and_what_no_longer_matches_is_withdrawn(tmp_path: Path) -> None:
    first, second, interests = (tmp_path / f"{name}.json" for name in ("first", "second", "interests"))
    first.write_bytes(index([keyword("lighthouses")]))
    second.write_bytes(index([keyword("harbour")]))
    interests.write_text('{"interests": [{"id": "sea", "name": "The sea", "anyOf": ["lighthouse"]}]}')
    code, output = await run_demo(
        *("--index", str(first), "--reindex", f"{first}={second}"),
        *("--interests", str(interests), "--output", str(tmp_path)),
    )
    assert code == 0, output
    assert "The sea (sea), score" in output
    events = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [kind for kind in event_types(events) if "interest" in kind] == [
        "keywire.interest.matched.v1",
        "keywire.interest.withdrawn.v1",
    ]


async def test_an_interests_file_that_is_wrong_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "interests.json").write_text('{"interests": [{"id": "sea"}]}')
    code, output = await run_demo("--interests", str(tmp_path / "interests.json"))
    assert code == 1
    assert "interests[0]" in output
    assert "starting" not in output


async def test_nothing_but_refused_files_starts_nothing(tmp_path: Path) -> None:
    code, output = await run_demo("--index", str(tmp_path / "absent.json"))
    assert code == 1
    assert "starting" not in output


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_whatever_ends_it_nothing_that_it_started_is_left(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local.serve", "--quiet"),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = ""
    async with asyncio.timeout(60):
        while "curl -X POST" not in printed:
            printed += (await process.stdout.readline()).decode()
    children = descendants(process.pid)
    assert len(children) >= 4  # Azurite, the cloud's part, two function groups
    process.send_signal(number)
    async with asyncio.timeout(30):
        await process.wait()
        while alive := [pid for pid in children if Path(f"/proc/{pid}/cmdline").exists() and is_running(pid)]:
            await asyncio.sleep(0.05)
    assert alive == []
    if number is not signal.SIGKILL:
        assert not Path(printed.split("certificate authority")[1].split()[0]).parent.exists()


def descendants(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [deeper for child in found for deeper in descendants(child)]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False

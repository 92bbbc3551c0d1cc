"""docs/architecture.md: who imports whom, and names that there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keywire import quota, settings
from keywire.monitoring.interest_status import STATUS_BLOB
from keywire.monitoring.last_signals import FOLDER
from keywire.monitoring.probe import PROBE_BLOB
from keywire.monitoring.queue_depths import ALL_QUEUES
from keywire.sweeps import reconciliation_state
from local.stack import PROJECT

PAGE = (PROJECT / "docs" / "architecture.md").read_text("utf-8")

# A package, and what it must not import.
FORBIDDEN = {
    "keywire": ("azure.functions", "handlers", "local", "bench", "tests", "function_app"),
    "handlers": ("local", "bench", "tests", "function_app"),
    "local": ("handlers", "function_app", "bench", "tests"),
    "bench": ("handlers", "function_app", "tests"),
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_what_they_may(package: str) -> None:
    broken = [
        f"{path.relative_to(PROJECT)} imports {name}"
        for path in sorted((PROJECT / package).rglob("*.py"))
        if "apps" not in path.parts
        for name in imported(path)
        if any(name == other or name.startswith(f"{other}.") for other in FORBIDDEN[package])
    ]
    assert broken == []


def test_every_function_is_in_a_group() -> None:
    table = PAGE.partition("| group | functions |")[2].partition("\n\n")[0]
    told = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line)}
    sources = [path.read_text("utf-8") for path in (PROJECT / "handlers").glob("*.py")]
    named = {name for text in sources for name in re.findall(r'function_name\("(\w+)"\)', text)}
    assert told - {"VIDEO_INDEXER_LOG_EVENT_HUB"} == named


def test_every_queue_and_container_is_named() -> None:
    for queue in ALL_QUEUES:
        base = queue.removesuffix("-poison")
        assert f"`{base}`" in PAGE or f"`{queue}`" in PAGE
    for name, value in vars(settings).items():
        if name.endswith("_CONTAINER"):
            assert f"`{value}/" in PAGE, name


def test_every_note_in_control_is_told() -> None:
    notes = (
        quota.QUOTA_BLOB,
        reconciliation_state.STATE_BLOB,
        reconciliation_state.LOCK_BLOB,
        reconciliation_state.LISTED_BLOB,
        settings.INTERESTS_BLOB,
        STATUS_BLOB,
        PROBE_BLOB,
        f"{FOLDER}/{{signal}}.json",
        "replays/{date}/{operationId}.json",
        "backfill/{operationId}/",
        "rematch/{operationId}/",
    )
    table = PAGE.partition("| note | what |")[2].partition("\n\n")[0]
    told = [name for line in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])]
    assert sorted(told) == sorted(notes)


def test_modules_that_it_names_are_there() -> None:
    inside = PAGE.partition("Inside `keywire/`")[2].partition("## Processes")[0]
    names = re.findall(r"`([a-z_/]+)`", inside)
    there = {name for name in names if (PROJECT / "keywire" / f"{name}.py").exists()}
    packages = {name for name in names if (PROJECT / "keywire" / name / "__init__.py").exists()}
    assert set(names) - there - packages == set()
    assert packages == {f"{path.parent.name}/" for path in (PROJECT / "keywire").glob("*/__init__.py")}
    assert len(names) > 20

"""docs/operations.md says what the code and the alerts say."""

import ast
import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulators.framework.checkout import PROJECT
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.poison import MAX_TRIES
from keywire.settings import LOG_EVENT_HUB, InvalidSettingsError, Settings
from keywire.telemetry import otlp
from local.stack import LOG_SETTINGS
from tests.support.environment import COMPLETE, RecordingEnvironment
from tests.support.telemetry import PROMISED

PAGE = (PROJECT / "docs" / "operations.md").read_text("utf-8")
KINDS = {"counter": "sum", "histogram": "histogram", "gauge": "gauge"}
# Of handlers, which read them at their import.
SCHEDULES = re.compile(r'os\.environ\.get\("(\w+)"\) or "([^"]+)"')


def section(title: str) -> str:
    """The text below a heading, down to the next one of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"there is no section {title}"
    return found[2]


def rows(title: str) -> list[list[str]]:
    """The cells of the first table in a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def handlers() -> Iterator[str]:
    for path in (PROJECT / "handlers").glob("*.py"):
        yield path.read_text("utf-8")


def schedules() -> dict[str, str]:
    return {name: default for text in handlers() for name, default in SCHEDULES.findall(text)}


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    bicep = (PROJECT / "infra" / "modules" / "alerts.bicep").read_text("utf-8")
    rules = bicep[bicep.index("var rules") :]
    alerts = set(re.findall(r"^    name: '([a-z-]+)'$|^  name: '([a-z-]+)'$", rules, re.MULTILINE))
    names = {name for pair in alerts for name in pair if name}
    assert set(re.findall(r"^### ([a-z]+(?:-[a-z]+)*)$", PAGE, re.MULTILINE)) == names
    assert len(names) == 8
    for name in names:
        text = section(name)
        assert [
            part for part in ("**Means.**", "**See it.**", "**Do.**", "**Over when**") if part not in text
        ] == []


def test_the_figures_are_those_that_are_sent() -> None:
    told = {
        code(name)[0]: (KINDS[kind], code(unit)[0], set(code(attributes)))
        for name, kind, unit, attributes, _ in rows("Figures")
    }
    assert told == PROMISED


def test_queries_ask_for_figures_and_attributes_that_there_are() -> None:
    attributes = {name for _, _, keys in PROMISED.values() for name in keys}
    for query in re.findall(r"```kusto\n(.*?)```", PAGE, re.DOTALL):
        assert set(re.findall(r"'(keywire\.[a-z_.]+)'", query)) <= PROMISED.keys(), query
        assert set(re.findall(r"customDimensions\.(\w+)", query)) <= attributes, query


def test_the_settings_are_those_that_are_read() -> None:
    asked: set[str] = set()
    for more in ({}, LOG_SETTINGS, {LOG_EVENT_HUB: "hub"}):
        environment = RecordingEnvironment({**COMPLETE, **more})
        with suppress(InvalidSettingsError):
            Settings.from_environment(environment)
        asked |= environment.asked
    told = [code(row[0])[0] for row in rows("Settings")]
    assert sorted(told) == sorted(asked | schedules().keys())


@pytest.mark.parametrize(
    ("name", "default"), [(code(row[0])[0], code(row[1])[0]) for row in rows("Settings") if code(row[1])]
)
def test_a_default_that_is_told_is_what_holds_without_the_setting(name: str, default: str) -> None:
    if name in schedules():
        assert schedules()[name] == default
        return
    without = {**COMPLETE, **LOG_SETTINGS}
    assert Settings.from_environment(without | {name: default}) == Settings.from_environment(without)


def test_the_telemetry_settings_are_those_that_are_read() -> None:
    source = (PROJECT / "keywire" / "telemetry" / "otlp.py").read_text("utf-8")
    assert otlp.ENDPOINT in section("Settings")
    assert otlp.WORKER_EXPORTS in section("Settings")
    assert "OTEL_TRACES_SAMPLER" in source
    assert "OTEL_TRACES_SAMPLER" in section("Settings")


def test_log_lines_are_written_somewhere() -> None:
    written = "\n".join(_texts(PROJECT / "keywire")) + "\n".join(_texts(PROJECT / "handlers"))
    for line, _, _ in rows("Log lines worth knowing"):
        for part in re.split(r"[…;]", code(line)[0]):
            assert part.strip() in written, f"{part!r} of {line}"


def test_the_poison_message_is_one_that_a_replay_reads() -> None:
    (shown,) = (text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if '"poisonedAt"' in text)
    job = jobs.decode(poison.original(base64.b64encode(shown.encode()).decode()))
    again = poison.from_message(jobs.encode(job), json.loads(shown)["reason"], now=datetime.now(UTC), tries=1)
    assert json.loads(poison.encode(again)).keys() == json.loads(shown).keys()
    assert json.loads(jobs.encode(job)) == json.loads(shown)["job"]
    assert f"`tries`: how often the queue gave it out; {MAX_TRIES} is" in PAGE


def _texts(folder: Path) -> Iterator[str]:
    """All string literals, with … where a value goes."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%\.?\d*[sdf]", "…", node.value)

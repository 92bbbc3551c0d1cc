"""docs/operations.md matches the code and the alerts: metrics, settings, log lines, messages."""

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
# Handlers read their schedules at import.
SCHEDULES = re.compile(r'os\.environ\.get\("(\w+)"\) or "([^"]+)"')


def section(title: str) -> str:
    """Return the text below a heading, up to the next heading."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"there is no section {title}"
    return found[2]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table in a section, without its header."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def handlers() -> Iterator[str]:
    for path in (PROJECT / "handlers").glob("*.py"):
        yield path.read_text("utf-8")


def schedules() -> dict[str, str]:
    return {name: default for text in handlers() for name, default in SCHEDULES.findall(text)}


def test_alerts_and_sections_match() -> None:
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


def test_the_metrics_are_those_that_keywire_sends() -> None:
    documented = {
        code(name)[0]: (KINDS[kind], code(unit)[0], set(code(attributes)))
        for name, kind, unit, attributes, _ in rows("Figures")
    }
    assert documented == PROMISED


def test_queries_use_existing_metrics_and_attributes() -> None:
    attributes = {name for _, _, keys in PROMISED.values() for name in keys}
    for query in re.findall(r"```kusto\n(.*?)```", PAGE, re.DOTALL):
        assert set(re.findall(r"'(keywire\.[a-z_.]+)'", query)) <= PROMISED.keys(), query
        assert set(re.findall(r"customDimensions\.(\w+)", query)) <= attributes, query


def test_the_settings_are_those_that_keywire_reads() -> None:
    asked: set[str] = set()
    for more in ({}, LOG_SETTINGS, {LOG_EVENT_HUB: "hub"}):
        environment = RecordingEnvironment({**COMPLETE, **more})
        with suppress(InvalidSettingsError):
            Settings.from_environment(environment)
        asked |= environment.asked
    documented = [code(row[0])[0] for row in rows("Settings")]
    assert sorted(documented) == sorted(asked | schedules().keys())


@pytest.mark.parametrize(
    ("name", "default"), [(code(row[0])[0], code(row[1])[0]) for row in rows("Settings") if code(row[1])]
)
def test_a_documented_default_applies_without_the_setting(name: str, default: str) -> None:
    if name in schedules():
        assert schedules()[name] == default
        return
    without = {**COMPLETE, **LOG_SETTINGS}
    assert Settings.from_environment(without | {name: default}) == Settings.from_environment(without)


def test_the_telemetry_settings_are_documented() -> None:
    source = (PROJECT / "keywire" / "telemetry" / "otlp.py").read_text("utf-8")
    assert otlp.ENDPOINT in section("Settings")
    assert otlp.WORKER_EXPORTS in section("Settings")
    assert "OTEL_TRACES_SAMPLER" in source
    assert "OTEL_TRACES_SAMPLER" in section("Settings")


def test_documented_log_lines_are_in_the_code() -> None:
    written = "\n".join(_texts(PROJECT / "keywire")) + "\n".join(_texts(PROJECT / "handlers"))
    for line, _, _ in rows("Log lines worth knowing"):
        for part in re.split(r"[…;]", code(line)[0]):
            assert part.strip() in written, f"{part!r} of {line}"


def test_replay_reads_the_documented_poison_message() -> None:
    (shown,) = (text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if '"poisonedAt"' in text)
    job = jobs.decode(poison.original(base64.b64encode(shown.encode()).decode()))
    again = poison.from_message(jobs.encode(job), json.loads(shown)["reason"], now=datetime.now(UTC), tries=1)
    assert json.loads(poison.encode(again)).keys() == json.loads(shown).keys()
    assert json.loads(jobs.encode(job)) == json.loads(shown)["job"]
    assert f"`tries`: how often the queue gave it out; {MAX_TRIES} is" in PAGE


def _texts(folder: Path) -> Iterator[str]:
    """Yield all string literals, with … for each placeholder."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%\.?\d*[sdf]", "…", node.value)

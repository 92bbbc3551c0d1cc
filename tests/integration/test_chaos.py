"""`python3 dev.py chaos`: nothing is lost under any fault, and the audit of a real run finds what is."""

import base64
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.chaos import plan
from local.chaos.fault_kinds import Kind
from local.chaos.report import Report
from local.chaos.run import Run
from local.stack import LocalStack
from tests.support.commands import run_module

FIGURES = [
    "videos",
    "documents",
    "events_expected",
    "events_lost",
    "events_foreign",
    "ids_with_differing_bytes",
    "duplicate_deliveries",
    "sequence_gaps",
    "poison_unexpected",
    "faults",
    "seconds",
]
EVENTS = "personalization-events"
FIRST = "000000001"


async def test_fifty_videos_under_every_fault_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    code, output = await run_module("local.chaos", "--videos", "50", "--seed", "1", "--json", str(file))
    assert code == 0, output
    figures = json.loads(file.read_text())
    assert list(figures) == FIGURES
    wrong = (
        "events_lost",
        "events_foreign",
        "ids_with_differing_bytes",
        "sequence_gaps",
        "poison_unexpected",
    )
    assert {name: figures[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["videos"] == 50
    assert 40 <= figures["documents"] <= 50  # some are deleted before Keywire can have seen them
    assert figures["events_expected"] > 60
    assert {kind: count for kind, count in figures["faults"].items() if not count} == {}
    assert set(figures["faults"]) == set(Kind)


class Tampering:
    """Drops, alters and invents an event on the real queue, when the run is quiet."""

    def __init__(self) -> None:
        self.dropped = self.altered = ""
        self.invented = "0ddba11c-0000-5000-8000-000000000000"

    async def __call__(self, stack: LocalStack) -> None:
        raw = stack.storage.queues.get_queue_client(EVENTS)
        messages = defaultdict(list)
        async for message in raw.receive_messages(messages_per_page=32, visibility_timeout=600):
            event = json.loads(base64.b64decode(message.content))
            messages[event["id"]].append((message, event))
        # Of videos of one version: with one of several, a sequence would have a gap besides.
        later = {each["partitionkey"] for ((_, each), *_) in messages.values() if each["sequence"] > FIRST}
        candidates = [
            event_id for event_id, ((_, each), *_) in messages.items() if each["partitionkey"] not in later
        ]
        self.dropped, self.altered = candidates[:2]
        (_, event), *_ = messages[self.altered]
        invented = event | {"id": self.invented}
        for event_id, copies in messages.items():
            for message, _ in copies:
                if event_id in candidates[:2]:
                    await raw.delete_message(message)
                else:
                    await raw.update_message(message, visibility_timeout=0)
        for lie in (event | {"time": "2001-01-01T00:00:00Z"}, invented):
            await stack.storage.queue(EVENTS).send_message(json.dumps(lie), time_to_live=-1)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the app of a run is found: inside the checkout, as it always is."""
    path = Path(__file__).resolve().parents[2] / ".chaos" / "tampered"
    shutil.rmtree(path, ignore_errors=True)
    yield path
    shutil.rmtree(path)


async def test_an_event_that_is_dropped_altered_or_invented_in_a_real_run_is_found(folder: Path) -> None:
    tamper = Tampering()
    report: Report = await Run(
        plan=plan.make(8, 1, faults=False), folder=folder, before_audit=tamper
    ).report()
    audit = report.audit
    assert (audit.events_lost, audit.ids_with_differing_bytes, audit.events_foreign) == (1, 1, 1)
    assert (audit.sequence_gaps, audit.poison_unexpected, report.leaks) == (0, 0, ())
    assert audit.documents == audit.documents_expected >= 6
    told = "\n".join(report.findings)
    assert "the queue never got" in told
    assert all(event_id in told for event_id in (tamper.dropped, tamper.altered, tamper.invented))
    assert len(report.findings) == 3

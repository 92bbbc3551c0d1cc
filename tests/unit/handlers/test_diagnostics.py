"""Video Indexer's log: a batch becomes jobs, and what is not a job or can't be queued becomes poison messages."""

import json
import logging
from collections import Counter
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from handlers.diagnostics import diagnostics
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.services.services import Services
from tests.support.builders import TRACEPARENT
from tests.support.invocations import event_hub_events, invocation
from tests.support.log_records import audit, of_video, record
from tests.support.memory_storage import MemoryStorage

type Counts = Counter[tuple[str, ...]]

POISON = "diagnostics-poison"
LOST = ServiceRequestError("no route to host")


def message(*records: dict[str, Any]) -> bytes:
    return json.dumps({"records": records}).encode()


def poisoned(storage: MemoryStorage) -> list[tuple[str, bytes]]:
    """The reason and the original of each poison message."""
    texts = storage.sent.get(POISON, [])
    return [(json.loads(text)["reason"], poison.from_base64(json.loads(text)["message"])) for text in texts]


async def run(*bodies: bytes) -> None:
    await diagnostics(event_hub_events(*bodies), invocation())


async def test_each_finished_indexing_of_a_batch_queues_a_job(
    services: Services, storage: MemoryStorage, counted: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = message(record(properties=of_video("a")), record(properties=of_video("b")))
    await run(first, message(record(properties=of_video("c"))))

    queued = [jobs.decode(text.encode()) for text in storage.sent["extraction"]]
    assert {(job.video_id, job.signal, job.traceparent) for job in queued} == {
        (video_id, "diagnostics", TRACEPARENT) for video_id in "abc"
    }
    assert len({job.job_id for job in queued}) == 3
    assert counted == {("signals", "diagnostics", "queued"): 3}
    (line,) = [each for each in caplog.records if each.name == "keywire.handlers.diagnostics"]
    assert line.levelno == logging.INFO
    assert line.getMessage() == "diagnostics messages=2 records=3 queued=3 ignored=0 poison=0 lost=0"


async def test_other_records_are_ignored(
    services: Services, storage: MemoryStorage, counted: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await run(message(audit(), record("IndexingStarted"), audit()))
    assert storage.sent == {}
    assert counted == {("signals", "diagnostics", "ignored"): 3}
    assert "ignored=3 poison=0 lost=0; 2 × another category; 1 × another operation" in caplog.text


async def test_an_unreadable_message_or_record_goes_to_the_poison_queue(
    services: Services, storage: MemoryStorage, counted: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    without_video = record(properties={"accountId": of_video()["accountId"]})
    await run(b"{not JSON", message(record(), without_video))

    assert poisoned(storage) == [
        ("the message is not JSON records", b"{not JSON"),
        ("videoId is missing", json.dumps(without_video).encode()),
    ]
    assert len(storage.sent["extraction"]) == 1
    assert counted == {
        ("signals", "diagnostics", "queued"): 1,
        ("signals", "diagnostics", "refused"): 2,
        ("poison", POISON, "unreadable"): 2,
    }
    (line,) = [each for each in caplog.records if each.name == "keywire.handlers.diagnostics"]
    assert line.levelno == logging.WARNING
    assert "queued=1 ignored=0 poison=2 lost=0" in line.getMessage()
    assert "montoya" not in caplog.text.lower()


async def test_a_record_whose_job_can_not_be_queued_goes_to_the_poison_queue(
    services: Services, storage: MemoryStorage, counted: Counts
) -> None:
    storage.failures["extraction"] = LOST
    await run(message(record()))

    ((reason, original),) = poisoned(storage)
    assert reason == "the job could not be queued: ServiceRequestError"
    assert original == json.dumps(record()).encode()
    assert counted == {
        ("signals", "diagnostics", "failed"): 1,
        ("poison", POISON, "unqueued"): 1,
    }


async def test_a_record_that_no_queue_takes_fails_the_run_after_the_others(
    services: Services, storage: MemoryStorage, counted: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    storage.failures[POISON] = LOST
    with pytest.raises(ServiceRequestError):
        await run(b"{not JSON", message(record()))
    assert len(storage.sent["extraction"]) == 1
    assert counted == {
        ("signals", "diagnostics", "queued"): 1,
        ("signals", "diagnostics", "refused"): 1,
    }
    assert "queued=1 ignored=0 poison=0 lost=1" in caplog.text

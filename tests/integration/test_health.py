"""Health through the host, and while storage or Video Indexer fail."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from keywire import ids
from keywire.health import health, queue_depths
from keywire.health.checks import Status
from keywire.health.interest_check import InterestCheck
from keywire.health.probe import MAX_AGE, Probe, ProbeResult
from keywire.health.queue_depths import QueueDepths
from keywire.interests.status import InterestStatus
from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.services.services import Services
from keywire.settings import Settings
from keywire.signals.last_seen import LastSignals
from keywire.storage.layout import ALL_QUEUES, CONFIG_CONTAINER, CONTROL_CONTAINER, POISON_QUEUES, WORK_QUEUES
from keywire.storage.notes import Note
from local import storage
from local.stack import LocalStack
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.environment import VIDEO_INDEXER
from tests.support.on_stack import document, upload
from tests.support.video_indexer import Service
from tests.support.waiting import eventually
from tests.support.world import job

# No server listens on this port.
CLOSED = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;"
    "BlobEndpoint=http://127.0.0.1:9/devstoreaccount1;QueueEndpoint=http://127.0.0.1:9/devstoreaccount1"
)


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


async def ask(stack: LocalStack, http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.get(f"{stack.host.url}/api/health", headers={"x-functions-key": stack.function_key})
    assert answer.status_code in {200, 503}
    found: dict[str, Any] = answer.json()
    assert (answer.status_code == 503) == (found["status"] == "failed")
    return found


async def measure(stack: LocalStack, http: httpx.AsyncClient) -> None:
    answer = await http.post(
        f"{stack.host.url}/admin/functions/measure",
        headers={"x-functions-key": stack.master_key},
        json={"input": ""},
    )
    assert answer.status_code == 202


async def test_the_report_has_every_check(stack: LocalStack, http: httpx.AsyncClient) -> None:
    began = datetime.now(UTC)
    await document(stack, await upload(stack, http, index([keyword("health")])))

    async def callback_recorded() -> dict[str, Any] | None:
        found = await ask(stack, http)
        last = found["checks"]["callbacks"]["details"].get("last")
        return found if last and datetime.fromisoformat(last) > began - timedelta(minutes=2) else None

    found = await eventually(callback_recorded, "the callback is recorded", stack.host.logs)
    checks = found["checks"]
    assert list(checks) == [
        "storage",
        "queues",
        "poison",
        "videoIndexer",
        "interests",
        "callbacks",
        "reconciliation",
        "quota",
    ]
    assert checks["storage"]["status"] == checks["videoIndexer"]["status"] == "ok"
    assert set(checks["queues"]["details"]) | set(checks["poison"]["details"]) == set(ALL_QUEUES)
    assert checks["quota"]["details"]["usedLastMinute"] > 0


async def test_healthz_needs_no_key_and_says_one_word(stack: LocalStack, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{stack.host.url}/api/health")).status_code == 401
    answer = await http.get(f"{stack.host.url}/api/healthz")
    assert answer.text in {"ok\n", "warning\n", "failed\n"}
    assert answer.status_code == (503 if answer.text == "failed\n" else 200)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_timer_logs_the_health(stack: LocalStack, http: httpx.AsyncClient) -> None:
    await measure(stack, http)

    async def logged() -> bool:
        return "keywire.health.health health=" in stack.host.logs()

    await eventually(logged, "health is logged", stack.host.logs)
    note = stack.storage.blobs.get_blob_client(CONTROL_CONTAINER, "video-indexer.json")
    assert json.loads(await (await note.download_blob()).readall())["problem"] is None


async def test_a_probe_notes_what_to_grant(
    insights: InsightsStorage,
) -> None:
    blob = insights.blobs.get_blob_client(CONTROL_CONTAINER, f"probe-{ids.new_job_id()}.json")
    now = datetime.now(UTC)
    refused = Service(client_id="another-app", object_id="another-app")
    probe = Probe(client=lambda: refused.client, note=Note(blob, ProbeResult), clock=lambda: now)
    result = await probe.last()
    assert "az role assignment create" in (result.problem or "")
    requests = len(refused.requests)
    assert await probe.last() == result
    assert len(refused.requests) == requests
    now += MAX_AGE
    corrected = Probe(client=lambda: Service().client, note=Note(blob, ProbeResult), clock=lambda: now)
    assert (await corrected.last()).problem is None


async def test_a_changed_interests_file_is_read_once_and_its_problem_noted(
    insights: InsightsStorage,
) -> None:
    name = ids.new_job_id()
    file = insights.blobs.get_blob_client(CONFIG_CONTAINER, f"{name}.json")
    status = Note(insights.blobs.get_blob_client(CONTROL_CONTAINER, f"{name}.json"), InterestStatus)
    check = InterestCheck(file=file, status=status)
    await check.refresh()
    assert await status.read() is None
    await file.upload_blob(b'{"interests": [{"id": "a", "name": "A", "anyOf": ["a"]}]}')
    await check.refresh()
    good = await status.read()
    assert good is not None
    assert (good.interests, good.problem, good.etag) == (1, None, await check.etag())
    await check.refresh()
    assert await status.read() == good, "the file is read once"
    await file.upload_blob(b'{"interests": [{"id": "a"}]}', overwrite=True)
    await check.refresh()
    bad = await status.read()
    assert bad is not None
    assert (bad.interests, bad.etag) == (1, await check.etag())
    assert "name" in (bad.problem or "")


async def test_every_check_fails_while_storage_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.3)
    services = Services(Settings.from_environment(VIDEO_INDEXER | {"InsightsStorage": CLOSED}))
    async with services.clients.blobs, services.clients.queues:
        report = await services.http.health.report()
    assert report.http_status == 503
    assert {check.status for check in report.checks.values()} == {Status.FAILED}


def old_job(age: timedelta) -> ExtractionJob:
    return ExtractionJob(
        video_id="abc",
        job_id=ids.new_job_id(),
        signal="callback",
        received_at=datetime.now(UTC) - age,
    )


async def test_the_age_of_a_job_counts_from_its_signal(
    insights: InsightsStorage,
) -> None:
    name = f"depth-{ids.new_job_id()[:8]}"
    queue = insights.queue(name)
    await queue.create_queue()
    depths = QueueDepths(queues={name: insights.queues.get_queue_client(name)})
    assert (await depths.read())[name] == queue_depths.Depth(messages=0, oldest_seconds=None)
    await queue.send_message("not a job")
    found = (await depths.read())[name]
    assert (found.messages, found.oldest_job_seconds) == (1, None)
    assert found.oldest_seconds is not None
    assert found.oldest_seconds < 60
    await queue.send_message(jobs.encode(old_job(timedelta(hours=3))))
    found = (await depths.read())[name]
    assert found.messages == 2
    assert found.oldest_seconds is not None
    assert found.oldest_seconds < 60
    assert found.oldest_job_seconds == pytest.approx(3 * 3600, abs=60)
    await queue.delete_queue()


def test_the_depth_of_every_queue_is_read() -> None:
    assert set(ALL_QUEUES) == set(storage.QUEUES)
    assert {f"{queue}-poison" for queue in WORK_QUEUES} <= set(POISON_QUEUES)


async def test_a_signal_is_recorded_once_a_minute(
    insights: InsightsStorage, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    name = f"signals-{ids.new_job_id()[:8]}"
    control = insights.blobs.get_container_client(name)
    signals = LastSignals(control, clock=lambda: now)
    with caplog.at_level(logging.WARNING):
        await signals.record(job())  # the container does not exist
    assert "was not recorded" in caplog.text
    await control.create_container()
    now += 60
    assert await signals.read("callback") is None
    first, second = old_job(timedelta(hours=1)), old_job(timedelta())
    await signals.record(first)
    await signals.record(second)
    assert await signals.read("callback") == first.received_at
    now += 60
    await signals.record(second)
    assert await signals.read("callback") == second.received_at
    await control.delete_container()

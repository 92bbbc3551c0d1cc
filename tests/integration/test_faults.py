"""The function app while Video Indexer misbehaves: nothing waits for a slow job, and no job is lost."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from keywire.storage.layout import EXTRACTION_QUEUE
from local.stack import ACCOUNT, LocalStack
from tests.support.builders import index, keyword
from tests.support.on_stack import NOBODY, document, find_document, indexed, upload
from tests.support.waiting import eventually

IN_FLIGHT = 32


@pytest.fixture(scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalStack]:
    """A stack without rate limits whose host tries again after a second."""
    app = tmp_path_factory.mktemp("app")
    shutil.copy(PROJECT / "function_app.py", app)
    settings = json.loads((PROJECT / "host.json").read_text())
    settings["extensions"]["queues"] |= {"visibilityTimeout": "00:00:01"}
    (app / "host.json").write_text(json.dumps(settings))
    emulator = replace(ACCOUNT, indexing_seconds=0.0, requests_per_second=None, requests_per_minute=None)
    # Jobs come from these tests only.
    without = {
        "function:reconciliation": 0,
        "function:keep_poison": 0,
        "function:measure": 0,
        "function:backfill_pages": 0,
    }
    faulty = LocalStack(
        app_directory=app,
        settings={"VIDEO_INDEXER_QUOTA_SHARE": "off"},
        emulator=emulator,
        instances=without,
    )
    async with faulty as running:
        yield running


@pytest.fixture
async def http(faulty: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with faulty.client() as client:
        yield client


async def upload_quietly(stack: LocalStack, http: httpx.AsyncClient) -> str:
    """A video that is indexed and of which nobody was told yet."""
    video_id = await upload(stack, http, index([keyword("one")]), NOBODY)
    await indexed(stack, http, video_id)
    return video_id


async def go_wrong(stack: LocalStack, http: httpx.AsyncClient, video_id: str, **fault: Any) -> None:
    """Let the next questions for a video's index go wrong."""
    wrong = {"operation": "GetVideoIndex", "videoId": video_id} | fault
    (await http.post(f"{stack.video_indexer_url}/emulator/faults", json=wrong)).raise_for_status()


async def call_back(stack: LocalStack, http: httpx.AsyncClient, video_id: str) -> None:
    answer = await http.post(f"{stack.callback_url}&id={video_id}&state=Processed")
    assert answer.status_code == 202


async def test_jobs_in_flight_do_not_wait_for_each_other(faulty: LocalStack, http: httpx.AsyncClient) -> None:
    quick, *slow = await asyncio.gather(*(upload_quietly(faulty, http) for _ in range(IN_FLIGHT)))
    for video_id in slow:
        await go_wrong(faulty, http, video_id, kind="hang", seconds=8)
    await asyncio.gather(*(call_back(faulty, http, video_id) for video_id in slow))

    async def all_hang() -> bool:
        left: list[Any] = (await http.get(f"{faulty.video_indexer_url}/emulator/faults")).json()
        return left == []

    await eventually(all_hang, "every slow job waits for its answer", faulty.host.logs)
    await call_back(faulty, http, quick)
    await document(faulty, quick)
    assert [await find_document(faulty, video_id) for video_id in slow] == [None] * len(slow)
    for video_id in slow:
        await document(faulty, video_id)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retryAfter": 1},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "garble"},
        {"kind": "not-json"},
        {"kind": "in-progress"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
async def test_a_failure_that_passes_costs_time_and_no_job(
    faulty: LocalStack, http: httpx.AsyncClient, fault: dict[str, Any]
) -> None:
    video_id = await upload_quietly(faulty, http)
    await go_wrong(faulty, http, video_id, **fault)
    await call_back(faulty, http, video_id)
    assert (await document(faulty, video_id))["videoId"] == video_id
    assert (await http.get(f"{faulty.video_indexer_url}/emulator/faults")).json() == []


async def test_an_answer_that_cannot_be_used_ends_in_the_poison_queue_with_job_and_reason(
    faulty: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await upload_quietly(faulty, http)
    await go_wrong(faulty, http, video_id, kind="status", status=400, errorType="INVALID_INPUT")
    await call_back(faulty, http, video_id)
    poison = faulty.storage.queue(f"{EXTRACTION_QUEUE}-poison")
    (message,) = await eventually(
        lambda: poison.peek_messages(max_messages=32), "the job is poison", faulty.host.logs
    )
    given_up = json.loads(base64.b64decode(message.content))
    assert given_up["job"]["videoId"] == video_id
    assert given_up["reason"] == "GetVideoIndex was answered with 400 INVALID_INPUT"
    assert await find_document(faulty, video_id) is None

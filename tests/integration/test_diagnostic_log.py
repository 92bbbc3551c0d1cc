"""Video Indexer's diagnostic log on the whole local stack: an Event Hub's batches become documents."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from emulators.functions_host.supervisor import FunctionsHost
from keywire.storage import layout
from local.stack import LocalStack
from tests.support.builders import index, keyword
from tests.support.log_records import audit, of_video, record
from tests.support.on_stack import NOBODY, document, event, indexed, upload
from tests.support.queue_messages import never_expires
from tests.support.scripted_queue import scripted_queue
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def listening() -> AsyncIterator[LocalStack]:
    """A stack whose app reads the log."""
    async with LocalStack(diagnostics=True, instances={"function:rematch": 0}) as running:
        yield running


@pytest.fixture
async def http(listening: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with listening.client() as client:
        yield client


def finished(stack: LocalStack, video_id: object, **fields: Any) -> dict[str, Any]:
    """Return the record of a finished indexing; the account's id is in capitals, as Azure writes it."""
    properties = of_video(video_id, stack.emulator.account_id.upper())
    return record(**{"time": datetime.now(UTC).isoformat(), "properties": properties, **fields})


async def index_without_callback(stack: LocalStack, http: httpx.AsyncClient, text: str) -> str:
    """Upload a video without a callback, and wait until it is indexed."""
    video_id = await upload(stack, http, index([keyword(text)]), callback_url=NOBODY)
    await indexed(stack, http, video_id)
    return video_id


async def poison(stack: LocalStack, reason: str) -> dict[str, Any]:
    """Wait for the message with this reason on the poison queue, and remove it."""
    queue = stack.storage.queues.get_queue_client(layout.DIAGNOSTICS_POISON_QUEUE)

    async def look() -> dict[str, Any] | None:
        async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=1):
            found: dict[str, Any] = json.loads(base64.b64decode(message.content, validate=True))
            if found["reason"] == reason:
                assert never_expires(message)
                await queue.delete_message(message)
                return found
        return None

    found: dict[str, Any] = await eventually(look, f"poison because {reason}", stack.host.logs)
    return found


async def test_a_record_of_a_finished_video_becomes_its_document(
    listening: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await index_without_callback(listening, http, "log keeper")
    await listening.send_log([finished(listening, video_id)])
    assert [kept["text"] for kept in (await document(listening, video_id))["keywords"]] == ["log keeper"]
    assert (await event(listening, video_id))["traceparent"].startswith("00-")


async def test_a_record_that_the_document_answers_for_sends_no_request(
    listening: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await index_without_callback(listening, http, "asked once")
    finished_record = finished(listening, video_id)
    await listening.send_log([finished_record])
    await document(listening, video_id)
    await listening.send_log([finished_record, finished_record])
    await eventually(
        lambda: (
            listening.host.logs().count(f"video={video_id} ") >= 3
            and listening.host.logs().count("already answered") >= 2
        ),
        "both were answered",
        listening.host.logs,
    )


async def test_a_bad_record_goes_to_the_poison_queue_and_does_not_affect_others(
    listening: LocalStack, http: httpx.AsyncClient
) -> None:
    first, last = await asyncio.gather(
        index_without_callback(listening, http, "first"), index_without_callback(listening, http, "last")
    )
    bad = finished(listening, "../../Montoya")
    await listening.send_log([finished(listening, first), audit(), bad, finished(listening, last)])
    for video_id in (first, last):
        await document(listening, video_id)
    found = await poison(listening, "videoId is not a video id")
    assert json.loads(base64.b64decode(found["message"])) == bad
    assert datetime.fromisoformat(found["poisonedAt"]).tzinfo is not None
    line = "diagnostics messages=1 records=4 queued=2 ignored=1 poison=1 lost=0"
    await eventually(lambda: line in listening.host.logs(), "the batch is logged", listening.host.logs)
    assert "ontoya" not in listening.host.logs()


async def test_a_message_that_is_not_a_log_does_not_affect_others(
    listening: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await index_without_callback(listening, http, "third")
    batch = ["Montoya was here", json.dumps({"records": [finished(listening, video_id)]})]
    assert (await http.post(listening.log_url, json=batch)).status_code == 200
    await document(listening, video_id)
    found = await poison(listening, "the message is not JSON records")
    assert base64.b64decode(found["message"]) == b"Montoya was here"
    assert "ontoya" not in listening.host.logs()


async def test_a_record_whose_job_cannot_be_queued_goes_to_the_poison_queue(
    listening: LocalStack, http: httpx.AsyncClient
) -> None:
    queue = listening.storage.queue("extraction")
    await queue.delete_queue()
    finished_record = finished(listening, "never-there")
    try:
        await listening.send_log([finished_record])
    finally:
        await queue.create_queue()
    found = await poison(listening, "the job could not be queued: ResourceNotFoundError")
    assert json.loads(base64.b64decode(found["message"])) == finished_record


async def test_a_run_fails_only_if_the_poison_queue_fails_as_well(listening: LocalStack) -> None:
    async with scripted_queue(["400 Bad Request"] * 8) as service:
        environment = {
            name: value
            for name, value in listening.app_environment().items()
            if not name.startswith("InsightsStorage__")
        } | {"InsightsStorage": service.connection_string}
        only = {
            "function:extraction": 0,
            "function:backfill": 0,
            "function:rematch": 0,
            "function:deliver_event_grid": 0,
        }
        async with FunctionsHost(PROJECT, environment, only) as host, listening.client() as client:
            url = f"{host.processes['function:diagnostics'][0].url}/emulator/eventhubs/video-indexer-log"
            batch = [json.dumps(finished(listening, "never-there")), "not JSON"]
            answer = await client.post(url, json=batch)
            assert (answer.status_code, answer.json()) == (500, {"runs": 1, "failed": 1})
            line = "diagnostics messages=2 records=2 queued=0 ignored=0 poison=0 lost=2"
            await eventually(lambda: line in host.logs(), "the loss is logged", host.logs)


async def test_without_an_event_hub_the_function_is_not_registered(stack: LocalStack) -> None:
    assert "diagnostics" not in [function["name"] for function in stack.host.functions]
    assert "function:diagnostics" not in stack.host.processes
    with pytest.raises(RuntimeError, match="No process listens"):
        await stack.send_log([])

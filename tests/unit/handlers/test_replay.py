"""The route of a replay."""

from azure.core.exceptions import ServiceRequestError

from handlers.replay import replay
from keywire.jobs import job as jobs
from keywire.services.services import Services
from tests.support.builders import TRACEPARENT, VIDEO_ID
from tests.support.invocations import body_of, http_request, invocation
from tests.support.memory_storage import MemoryStorage


async def test_a_replay_of_videos_queues_a_job_for_each(services: Services, storage: MemoryStorage) -> None:
    response = await replay(http_request(body={"videos": [VIDEO_ID, "another"]}), invocation())

    assert response.status_code == 200
    body = body_of(response)
    operation_id = body.pop("operationId")
    assert body == {"dryRun": False, "jobs": 2, "unreadable": 0, "more": False, "cursor": None}
    queued = [jobs.decode(text.encode()) for text in storage.sent["extraction"]]
    assert [(job.video_id, job.signal, job.traceparent) for job in queued] == [
        (VIDEO_ID, "replay", TRACEPARENT),
        ("another", "replay", TRACEPARENT),
    ]
    (note,) = storage.blobs
    assert note[1].endswith(f"/{operation_id}.json")


async def test_a_dry_run_queues_nothing(services: Services, storage: MemoryStorage) -> None:
    response = await replay(http_request(body={"videos": [VIDEO_ID], "dryRun": True}), invocation())
    assert response.status_code == 200
    assert (body_of(response)["jobs"], storage.sent) == (1, {})


async def test_a_request_that_is_not_a_replay_is_refused(services: Services, storage: MemoryStorage) -> None:
    response = await replay(http_request(body={}), invocation())
    assert response.status_code == 400
    assert "replay" in body_of(response)["error"]
    assert (storage.sent, storage.blobs) == ({}, {})


async def test_a_storage_failure_asks_the_operator_to_retry(
    services: Services, storage: MemoryStorage
) -> None:
    storage.failures["extraction"] = ServiceRequestError("no route to host")
    response = await replay(http_request(body={"videos": [VIDEO_ID]}), invocation())
    assert response.status_code == 503
    assert body_of(response) == {"error": "storage can't be reached"}

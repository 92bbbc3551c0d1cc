"""Faults on request, what is counted, and what is not the service's."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from emulators.framework.in_process import ManualClock
from emulators.video_indexer.errors import ServiceError
from emulators.video_indexer.faults import Fault, apply
from emulators.video_indexer.in_process import InProcessEmulator
from tests.support.builders import index, keyword


async def meets(fault: dict[str, Any]) -> httpx.Response:
    """The answer of the first Get Index that meets a fault; the second one is well again."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    await emulator.indexed(video_id)
    set_up = await emulator.client.post("/emulator/faults", json={"operation": "GetVideoIndex"} | fault)
    assert set_up.status_code == 204
    answer = await emulator.get_index(video_id)
    assert (await emulator.get_index(video_id)).json()["state"] == "Processed"
    return answer


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"kind": "status", "status": 500}, 500, {"ErrorType": "GENERAL"}),
        ({"kind": "status", "status": 403}, 403, {"ErrorType": "FORBIDDEN"}),
        ({"kind": "status", "status": 409, "errorType": "X"}, 409, {"ErrorType": "X"}),
        ({"kind": "status", "status": 429, "retryAfter": 17}, 429, {"statusCode": 429}),
        ({"kind": "hang", "seconds": 0}, 504, {"ErrorType": "SERVER_TIMEOUT"}),
        ({"kind": "expired-token"}, 401, {"ErrorType": "ACCESS_TOKEN_EXPIRED"}),
        ({"kind": "in-progress"}, 400, {"ErrorType": "VIDEO_INDEXING_IN_PROGRESS"}),
    ],
)
async def test_a_fault_speaks_as_the_service_does(
    fault: dict[str, Any], status: int, body: dict[str, Any]
) -> None:
    """The service's shape, and the gateway's for 429."""
    answer = await meets(fault)

    assert answer.status_code == status
    assert body.items() <= answer.json().items()
    assert answer.headers.get("Retry-After") == ("17" if status == 429 else None)


async def test_an_answer_can_be_something_else_than_json() -> None:
    """An intermediary's page, and bytes that only look like the answer."""
    page, garbled = await meets({"kind": "not-json"}), await meets({"kind": "garble"})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert garbled.headers["content-type"].startswith("application/json")
    with pytest.raises(ValueError, match="utf-8"):
        garbled.json()


@pytest.mark.parametrize("kind", ["reset", "truncate"])
async def test_a_connection_can_break(kind: str) -> None:
    """What a client gets is an exception of its transport; it is counted all the same."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    await emulator.client.post("/emulator/faults", json={"operation": "GetVideoIndex", "kind": kind})

    with pytest.raises(httpx.TransportError):
        await emulator.get_index(video_id)

    assert (await emulator.client.get("/emulator/requests")).json()["GetVideoIndex"] == {kind: 1}


async def test_an_answer_can_be_late_and_out_of_date() -> None:
    """It says what was true when it was asked for."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(index([keyword("first")]))
    await emulator.indexed(video_id)
    late = {"operation": "GetVideoIndex", "kind": "late", "seconds": 20}
    await emulator.client.post("/emulator/faults", json=late)
    waiting = asyncio.ensure_future(emulator.get_index(video_id))
    await asyncio.sleep(0.01)
    await emulator.client.put(f"/emulator/videos/{video_id}/insights", content=index([keyword("second")]))
    await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")
    await emulator.indexed(video_id, times=2)
    assert not waiting.done()
    emulator.clock.advance(20)
    assert "first" in (await waiting).text
    assert "second" in (await emulator.get_index(video_id)).text


async def test_a_hanging_answer_waits() -> None:
    """The client's own timeout is what this is for."""
    emulator = InProcessEmulator()
    await emulator.authorize("Reader")
    fault = {"operation": "ListVideos", "kind": "hang", "seconds": 240}
    await emulator.client.post("/emulator/faults", json=fault)
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await emulator.client.get(emulator.videos))

    task = asyncio.create_task(ask())
    with pytest.raises(TimeoutError):
        await emulator.reaches(lambda: bool(answers))
    emulator.clock.advance(240)
    await task

    assert answers[0].status_code == 504


async def test_faults_happen_in_their_order_to_those_they_are_meant_for() -> None:
    """Each as often as it was asked for; what is left can be seen and called off."""
    emulator = InProcessEmulator()
    one, other = await emulator.upload(b"video"), await emulator.upload(b"video")
    faults = [
        {"operation": "GetVideoIndex", "kind": "status", "status": 503, "videoId": one, "count": 2},
        {"operation": "*", "kind": "status", "status": 502, "count": 5},
    ]
    await emulator.client.post("/emulator/faults", json=faults)

    statuses = [(await emulator.get_index(video_id)).status_code for video_id in (one, other, one, one)]
    left = (await emulator.client.get("/emulator/faults")).json()
    await emulator.client.delete("/emulator/faults")

    assert statuses == [503, 502, 503, 502]
    assert [(fault["kind"], fault["count"]) for fault in left] == [("status", 3)]
    assert (await emulator.get_index(one)).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "GetVideoIndx", "kind": "status"},
        {"operation": "GetVideoIndex", "kind": "explode"},
        {"operation": "GetVideoIndex", "kind": "drop"},
        {"operation": "Callback", "kind": "status"},
        {"operation": "GetVideoIndex", "kind": "status", "cuont": 2},
        {"operation": "GetVideoIndex", "kind": "status", "status": 200},
    ],
)
async def test_a_fault_that_could_never_happen_is_refused(fault: dict[str, Any]) -> None:
    """A mistyped fault would make a test pass for the wrong reason."""
    answer = await InProcessEmulator().client.post("/emulator/faults", json=fault)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_fault_of_arm_has_arms_shape() -> None:
    """Its 429 too, which has nothing to do with Video Indexer's gateway."""
    emulator = InProcessEmulator()
    fault = {"operation": "GenerateAccessToken", "kind": "status", "status": 429, "retryAfter": 5}
    await emulator.client.post("/emulator/faults", json=fault)

    answer = await emulator.arm("generateAccessToken", {"permissionType": "Reader", "scope": "Account"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert answer.json()["error"]["code"] == "TooManyRequests"


async def test_requests_are_counted_by_operation_and_status() -> None:
    """The control plane is not counted; counting starts again when asked."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    await emulator.get_index(video_id)
    await emulator.get_index(video_id)
    await emulator.get_index("neverwas12")

    counted = (await emulator.client.get("/emulator/requests")).json()
    await emulator.client.delete("/emulator/requests")

    assert counted == {
        "GenerateAccessToken": {"200": 1},
        "UploadVideo": {"200": 1},
        "GetVideoIndex": {"200": 2, "404": 1},
    }
    assert (await emulator.client.get("/emulator/requests")).json() == {}


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/westeurope/Accounts/a/Videos/b/Captions", {"statusCode", "message"}),
        ("/subscriptions/s/nothing", {"error"}),
        ("/emulator/nothing", {"error"}),
    ],
)
async def test_an_operation_that_is_left_out_is_not_found(path: str, keys: set[str]) -> None:
    """In the shape of whoever would stand at that address."""
    answer = await InProcessEmulator().client.post(path)

    assert answer.status_code in (404, 405)
    assert set(answer.json()) == keys
    assert answer.headers["x-ms-request-id"]


async def test_the_emulator_says_which_account_it_plays() -> None:
    """Enough for whoever starts it to know that it is up, and that it is theirs."""
    emulator = InProcessEmulator()

    assert (await emulator.client.get("/emulator/health")).json() == {
        "status": "ok",
        "accountId": emulator.config.account_id,
        "location": "westeurope",
        "resourceId": emulator.config.resource_id,
        "indexing": 0,
    }


async def test_the_emulator_says_whether_it_is_still_busy() -> None:
    """An indexing counts until its callback, which may be late, has been sent."""
    emulator = InProcessEmulator()
    await emulator.authorize()
    late = {"operation": "Callback", "kind": "delay", "seconds": 20}
    await emulator.client.post("/emulator/faults", json=late)
    await emulator.indexed(await emulator.upload(b"video", callbackUrl="http://localhost/hook"))

    async def busy() -> int:
        return int((await emulator.client.get("/emulator/health")).json()["indexing"])

    assert await busy() == 1
    emulator.clock.advance(20)
    await emulator.reaches(lambda: bool(emulator.sent))
    await asyncio.sleep(0)  # the indexing ends right behind its callback
    assert await busy() == 0


async def test_faults_that_happened_are_told() -> None:
    """Those that were forgotten before are told as often as they did happen."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    faults = [
        {"operation": "GetVideoIndex", "kind": "status", "status": 503, "count": 5},
        {"operation": "Callback", "kind": "drop"},
    ]
    await emulator.client.post("/emulator/faults", json=faults)
    for _ in range(2):
        await emulator.get_index(video_id)
    await emulator.client.delete("/emulator/faults")

    (happened,) = (await emulator.client.get("/emulator/faults/happened")).json()
    assert (happened["kind"], happened["status"], happened["count"]) == ("status", 503, 2)


async def test_the_history_of_a_video_tells_how_each_indexing_ended() -> None:
    """And the keywords that the video had from then on: after a failure, those of the last good one."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(index([keyword("first")]))
    await emulator.indexed(video_id)
    failure = {"state": "Failed", "failureCode": "General", "failureMessage": "It broke."}
    await emulator.client.put(f"/emulator/videos/{video_id}/insights", content=index([keyword("second")]))
    await emulator.client.put(f"/emulator/videos/{video_id}/outcome", json=failure)
    await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")
    await emulator.indexed(video_id, times=2)

    (told,) = (await emulator.client.get("/emulator/history")).json()
    assert (told["id"], told["removed"]) == (video_id, False)
    states = [(outcome["state"], outcome["failureCode"]) for outcome in told["outcomes"]]
    assert states == [("Processed", None), ("Failed", "General")]
    found = [[word["text"] for word in outcome["keywords"]] for outcome in told["outcomes"]]
    assert found == [["first"], ["first"]]


async def test_an_account_of_many_videos_is_made_at_once() -> None:
    """They are as if they had been uploaded and indexed: listed, with an index, and nobody is called."""
    emulator = InProcessEmulator(requests_per_second=None, requests_per_minute=None)
    await emulator.authorize()
    answer = await emulator.client.post("/emulator/videos", json={"count": 30})
    ids = answer.raise_for_status().json()
    assert len(set(ids)) == 30

    listed = (await emulator.client.get(emulator.videos, params={"pageSize": "25"})).json()
    assert [video["id"] for video in listed["results"]] == list(reversed(ids))[:25]
    assert {video["state"] for video in listed["results"]} == {"Processed"}
    assert listed["nextPage"] == {"pageSize": 25, "skip": 25, "done": False}
    assert (await emulator.get_index(ids[0])).json()["state"] == "Processed"
    assert (await emulator.audit(ids[0]))["indexings"] == 1
    assert emulator.sent == []


async def test_logs_tell_decisions_and_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor names nor the uploader's query string, at any level that an operator turns on."""
    caplog.set_level(logging.INFO)
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video", callbackUrl="http://localhost/hook?code=hush-hush")
    await emulator.indexed(video_id)
    await emulator.client.post(
        f"/emulator/videos/{video_id}/person-identified", json={"personName": "Inigo Montoya"}
    )
    own = [record.getMessage() for record in caplog.records if record.name.startswith("emulators.")]
    everything = "\n".join(own)

    assert f"callback video={video_id} notification=person-identified" in everything
    assert "operation=UploadVideo" in everything
    token = emulator.client.headers["Authorization"].removeprefix("Bearer ")
    assert not [secret for secret in (token, "hush-hush", "Inigo") if secret in everything]


async def test_nobody_hangs_for_a_client_that_has_gone() -> None:
    """Otherwise the emulator could not shut down; this clock never moves."""

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def operation(request: Request) -> Response:
        raise AssertionError("The operation must not run.")

    fault = Fault(operation="GetVideoIndex", kind="hang", seconds=240)
    request = Request({"type": "http", "method": "GET", "headers": []}, gone)

    with pytest.raises(ServiceError, match="There was an error"):
        await asyncio.wait_for(apply(fault, "data", operation, request, ManualClock().sleep), 10)

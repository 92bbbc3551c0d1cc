"""The function app on Microsoft's worker runtime, on the whole local stack."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from emulators.framework.processes import ProcessFailedError
from emulators.functions_host.supervisor import FunctionsHost
from local.stack import LocalStack
from tests.support.builders import index, keyword
from tests.support.on_stack import NOBODY, document, event, indexed, upload
from tests.support.queue_messages import never_expires
from tests.support.scripted_queue import scripted_queue
from tests.support.waiting import eventually

# The account key that Azurite's documentation publishes; only the test of a connection string needs it.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

ONLY_HTTP = {
    "function:extraction": 0,
    "function:rematch": 0,
    "function:deliver_event_grid": 0,
    "function:backfill": 0,
    "function:backfill_pages": 0,
    "function:reconciliation": 0,
    "function:keep_poison": 0,
    "function:measure": 0,
}


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


def with_connection_string(stack: LocalStack, connection_string: str) -> dict[str, str]:
    """Return the app's environment with a connection string instead of addresses and an identity."""
    environment = stack.app_environment()
    kept = {name: text for name, text in environment.items() if not name.startswith("InsightsStorage__")}
    return kept | {"InsightsStorage": connection_string}


async def test_an_upload_becomes_a_document_and_an_event(stack: LocalStack, http: httpx.AsyncClient) -> None:
    video_id = await upload(stack, http, index([keyword("office insider")]))
    stored = await document(stack, video_id)
    assert [kept["text"] for kept in stored["keywords"]] == ["office insider"]
    published = await event(stack, video_id)
    assert published["type"] == "keywire.keywords.extracted.v1"
    assert published["source"] == stack.emulator.resource_id
    assert published["traceparent"].startswith("00-")
    download = await http.get(published["data"]["document"]["url"])
    assert download.status_code in {401, 403, 404}  # the URL grants no access


async def test_every_event_also_reaches_the_topic(stack: LocalStack, http: httpx.AsyncClient) -> None:
    video_id = await upload(stack, http, index([keyword("on both")]))
    queued = await event(stack, video_id)

    async def on_topic() -> list[dict[str, Any]]:
        received = (await http.get(f"{stack.event_grid_url}/emulator/events")).json()
        values = [each.get("event", each) for each in received]
        return [value for value in values if value.get("id") == queued["id"]]

    (arrived,) = await eventually(on_topic, "the event is on the topic", stack.host.logs)
    assert arrived == queued


async def test_the_trace_of_the_callback_reaches_the_event(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await upload(stack, http, index([]), callback_url=NOBODY)

    await indexed(stack, http, video_id)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = await http.post(
        f"{stack.callback_url}&id={video_id}&state=Processed",
        headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
    )
    assert answer.status_code == 202
    assert (await event(stack, video_id))["traceparent"].split("-")[1] == trace_id


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("id=never-there&state=Processed", 202, {"status": "queued", "videoId": "never-there"}),
        ("ID=never-there&STATE=failed", 202, {"status": "queued", "videoId": "never-there"}),
        (
            "id=mine&state=mine&id=never-there&state=Processed",
            202,
            {"status": "queued", "videoId": "never-there"},
        ),
        ("id=abc&state=Processing", 200, {"status": "ignored", "reason": "the state is not final"}),
        (
            "id=abc&faceId=1&personName=Somebody",
            200,
            {"status": "ignored", "reason": "a person was identified"},
        ),
        ("state=Processed", 400, {"error": "the query parameter id is missing"}),
        ("id=..%2F..%2Fetc&state=Processed", 400, {"error": "the query parameter id is not a video id"}),
        ("id=%00&state=Processed", 400, {"error": "the query parameter id is not a video id"}),
    ],
)
async def test_the_callback_responds_by_its_query(
    stack: LocalStack, http: httpx.AsyncClient, query: str, status: int, body: dict[str, str]
) -> None:
    answer = await http.post(f"{stack.callback_url}&{query}", content=b"\xff anything")
    assert answer.status_code == status
    assert answer.json() | {"jobId": None} == body | {"jobId": None}


@pytest.mark.parametrize("key", ["", "?code=wrong"])
async def test_the_callback_needs_the_function_key(
    stack: LocalStack, http: httpx.AsyncClient, key: str
) -> None:
    answer = await http.post(f"{stack.host.url}/api/video-indexer/callback{key}", params=None)
    assert answer.status_code == 401


async def test_a_callback_must_be_a_post(stack: LocalStack, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{stack.callback_url}&id=abc&state=Processed")).status_code in {404, 405}


async def test_a_callback_gets_503_within_five_seconds_if_storage_does_not_respond(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        for address in (f"https://127.0.0.1:{port}/devstoreaccount1", "https://127.0.0.1:9/devstoreaccount1"):
            environment = stack.app_environment() | {"InsightsStorage__queueServiceUri": address}
            async with FunctionsHost(PROJECT, environment, ONLY_HTTP) as host:
                started = time.monotonic()
                answer = await http.post(
                    f"{host.url}/api/video-indexer/callback?id=abc&state=Processed",
                    headers={"x-functions-key": stack.function_key},
                )
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert time.monotonic() - started < 5
        silent.close()


async def test_a_job_never_expires(stack: LocalStack, http: httpx.AsyncClient) -> None:
    async with scripted_queue(["201 Created"]) as service:
        environment = with_connection_string(stack, service.connection_string)
        async with FunctionsHost(PROJECT, environment, ONLY_HTTP) as host:
            answer = await http.post(
                f"{host.url}/api/video-indexer/callback?id=abc&state=Processed",
                headers={"x-functions-key": stack.function_key},
            )
        assert answer.status_code == 202
        (request,) = service.requests
        assert request.startswith("POST /a/extraction/messages?")
        assert "messagettl=-1" in request


async def test_the_app_runs_with_the_settings_for_core_tools(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    settings = stack.core_tools_settings()
    assert settings["IsEncrypted"] is False
    assert not {"PATH", "HOME"} & settings["Values"].keys()
    values = settings["Values"] | {"FUNCTIONS_HOST_FUNCTION_KEY": stack.function_key}
    async with FunctionsHost(PROJECT, values, ONLY_HTTP) as host:
        answer = await http.post(
            f"{host.url}/api/video-indexer/callback?id=never-there&state=Processed",
            headers={"x-functions-key": stack.function_key},
        )
        assert answer.status_code == 202


async def test_a_rematch_publishes_what_changed_interests_match_in_stored_documents(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await upload(stack, http, index([keyword("lighthouse keeper")]))
    await document(stack, video_id)
    interests = {"interests": [{"id": "sea", "name": "The sea", "anyOf": ["lighthouses"]}]}
    file = stack.storage.blobs.get_blob_client("config", "interests.json")
    await file.upload_blob(json.dumps(interests), overwrite=True)
    url, key = f"{stack.host.url}/api/operations/rematch", {"x-functions-key": stack.function_key}

    async def rematched(body: dict[str, Any]) -> dict[str, Any]:
        answer = await http.post(url, json=body, headers=key)
        assert answer.status_code == 202
        status = f"{stack.host.url}{answer.headers['Location']}"

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = (await http.get(status, headers=key)).json()
            return found if found["done"] else None

        found: dict[str, Any] = await eventually(look, "the rematch is done", stack.host.logs)
        return found

    would = await rematched({"dryRun": True})
    assert (would["dryRun"], would["matched"], would["withdrawn"]) == (True, 1, 0)
    done = await rematched({})
    assert (done["matched"], done["documents"]) == (1, would["documents"])
    while (published := await event(stack, video_id))["type"] != "keywire.interest.matched.v1":
        pass
    assert published["data"]["terms"][0]["text"] == "lighthouse keeper"
    assert (await rematched({"interests": ["sea"]}))["matched"] == 0


@pytest.mark.parametrize("body", ["{", "[]", '{"dryrun": true}', '{"interests": []}', '{"interests": [5]}'])
async def test_an_invalid_rematch_is_refused(stack: LocalStack, http: httpx.AsyncClient, body: str) -> None:
    key = {"x-functions-key": stack.function_key}
    answer = await http.post(f"{stack.host.url}/api/operations/rematch", content=body, headers=key)
    assert answer.status_code == 400
    assert "not a rematch" in answer.json()["error"]


@pytest.mark.parametrize("operation_id", ["never", "0" * 32, "..%2f..%2f"])
async def test_the_status_of_an_unknown_rematch_is_404(
    stack: LocalStack, http: httpx.AsyncClient, operation_id: str
) -> None:
    key = {"x-functions-key": stack.function_key}
    answer = await http.get(f"{stack.host.url}/api/operations/rematch/{operation_id}", headers=key)
    assert answer.status_code == 404


async def test_a_replay_sends_a_videos_events_again(stack: LocalStack, http: httpx.AsyncClient) -> None:
    video_id = await upload(stack, http, index([keyword("once more")]))
    first = await event(stack, video_id)
    url, key = f"{stack.host.url}/api/operations/replay", {"x-functions-key": stack.function_key}
    would = (await http.post(url, json={"videos": [video_id], "dryRun": True}, headers=key)).json()
    assert (would["jobs"], would["dryRun"]) == (1, True)
    done = (await http.post(url, json={"videos": [video_id]}, headers=key)).json()
    assert (done["jobs"], done["dryRun"]) == (1, False)
    assert await event(stack, video_id) == first
    assert (await http.post(url, json={}, headers=key)).status_code == 400


async def test_a_timer_rewrites_the_hosts_poison_messages(stack: LocalStack, http: httpx.AsyncClient) -> None:
    poison = stack.storage.queues.get_queue_client("extraction-poison")
    await poison.send_message("{no base64}")
    answer = await http.post(
        f"{stack.host.url}/admin/functions/keep_poison",
        json={"input": ""},
        headers={"x-functions-key": stack.master_key},
    )
    assert answer.status_code == 202

    async def taken_over() -> bool:
        messages = await poison.peek_messages(max_messages=32)
        return [never_expires(message) for message in messages] == [True]

    await eventually(taken_over, "the message never expires", stack.host.logs)
    await poison.clear_messages()


async def test_an_app_with_missing_settings_does_not_start_and_names_the_settings(stack: LocalStack) -> None:
    environment = stack.app_environment()
    del environment["VIDEO_INDEXER_ACCOUNT_ID"], environment["VIDEO_INDEXER_LOCATION"]
    with pytest.raises(
        ProcessFailedError, match=r"VIDEO_INDEXER_ACCOUNT_ID is missing.*VIDEO_INDEXER_LOCATION is"
    ):
        async with FunctionsHost(PROJECT, environment):
            pass


async def test_a_connection_string_replaces_the_identity(stack: LocalStack, http: httpx.AsyncClient) -> None:
    environment = with_connection_string(
        stack,
        f"DefaultEndpointsProtocol=https;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
        f"BlobEndpoint={stack.azurite.blob_endpoint};QueueEndpoint={stack.azurite.queue_endpoint};",
    )
    async with FunctionsHost(PROJECT, environment) as host:
        callback_url = f"{host.url}/api/video-indexer/callback?code={stack.function_key}"
        video_id = await upload(stack, http, index([keyword("keyed")]), callback_url)
        assert (await document(stack, video_id))["keywords"][0]["text"] == "keyed"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the environments of processes from /proc")
async def test_no_key_and_no_connection_string_is_anywhere_in_the_running_stack(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await upload(stack, http, index([keyword("secret-free")]))
    await document(stack, video_id)
    processes = [process.pid for group in stack.host.processes.values() for process in group]
    assert stack.azurite.process is not None
    processes += [stack.azurite.process.pid, stack.cloud.pid]
    texts = [Path(f"/proc/{pid}/environ").read_bytes() for pid in processes]
    texts += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes]
    files = [path for path in stack.directory.rglob("*") if path.is_file() and path != stack.certificates.key]
    texts += [path.read_bytes() for path in files]
    assert b"InsightsStorage__credential" in b"".join(texts)  # the search covers the app's environment
    for text in texts:
        for forbidden in (
            AZURITE_KEY.encode(),
            b"AccountKey",
            b"SharedAccess",
            b"InsightsStorage=",
            b"Ocp-Apim",
        ):
            assert forbidden not in text


async def test_no_log_holds_a_key_a_query_or_a_name(stack: LocalStack, http: httpx.AsyncClient) -> None:
    await http.post(f"{stack.callback_url}&id=abc&faceId=1&knownPersonId=2&personName=Inigo_Montoya")
    video_id = await upload(stack, http, index([keyword("logged")]))
    await document(stack, video_id)
    logs = stack.host.logs()
    assert f"video={video_id}" in logs
    for forbidden in (
        stack.function_key,
        stack.master_key,
        "Inigo",
        "Bearer",
        "eyJ",
        "code=",
        "includedInsights",
    ):
        assert forbidden not in logs


async def test_real_indexes_become_documents_field_for_field(
    stack: LocalStack, http: httpx.AsyncClient, real_indexes: Path
) -> None:
    for path in sorted(real_indexes.glob("*.json")):
        body = path.read_bytes()
        sent = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
        if "videos" not in sent:
            continue
        stored = await document(stack, await upload(stack, http, body))
        keywords = sent["videos"][0]["insights"].get("keywords") or []
        assert len(stored["keywords"]) == len(keywords)
        for kept, original in zip(stored["keywords"], keywords, strict=True):
            assert {name: kept[name] for name in original} == original
            assert kept["totalSeconds"] == pytest.approx(sum(end - start for start, end in kept["ranges"]))
        assert "viewToken" not in json.dumps(stored)
        assert "transcript" not in json.dumps(stored)
        assert stored["unreadable"] == {"keywords": 0, "instances": 0}

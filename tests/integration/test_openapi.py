"""The responses of the running app, compared with docs/openapi.yaml: every described one, and no other."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jsonschema import ValidationError

from emulators.framework.checkout import PROJECT
from emulators.functions_host.functions import HTTP_GROUP
from emulators.functions_host.supervisor import FunctionsHost
from keywire.signals import callback_urls
from local.stack import LocalStack
from tests.support.openapi_document import Operation, operations, resolved, validate
from tests.support.waiting import eventually

VIDEO = {"id": "never-there", "state": "Processed"}
NEVER = "0" * 32
type Seen = set[tuple[str, int]]
# No server listens on this port.
CLOSED = {
    f"InsightsStorage__{service}ServiceUri": "https://127.0.0.1:9/devstoreaccount1"
    for service in ("blob", "queue")
}


@pytest.fixture(scope="module")
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


class Caller:
    """A client that calls functions by name, as the document describes them, and checks each response.

    Args:
        url: The host.
        key: The function key.
        token: The token of a signed callback URL.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, key: str, token: str, seen: Seen) -> None:
        self._http = http
        self._url = url
        self._key = key
        self._token = token
        self._seen = seen

    async def call(
        self,
        name: str,
        status: int,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        key: str | None = None,
        **parts: str,
    ) -> httpx.Response:
        operation = operations()[name]
        path = operation.path.format_map({"token": self._token} | parts)
        headers = {"x-functions-key": self._key if key is None else key} if operation.needs_key else {}
        answer = await self._http.request(
            operation.method, f"{self._url}/api{path}", params=query, json=body, headers=headers
        )
        assert answer.status_code == status, answer.text
        if body is not None and status < 400:
            validate(body, operation.value["requestBody"]["content"]["application/json"]["schema"])
        check(operation, answer)
        self._seen.add((name, status))
        return answer


def check(operation: Operation, answer: httpx.Response) -> None:
    """Compare a response with the document's description of its status."""
    described = operation.response(answer.status_code)
    for name, reference in described.get("headers", {}).items():
        header = resolved(reference)
        assert header["required"]
        text = answer.headers[name]
        validate(int(text) if header["schema"].get("type") == "integer" else text, header["schema"])
    if "content" not in described:
        assert answer.content == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    schema = described["content"][kind]["schema"]
    validate(answer.json() if kind == "application/json" else answer.text, schema)


def caller(stack: LocalStack, http: httpx.AsyncClient, seen: Seen, host: FunctionsHost) -> Caller:
    keys = callback_urls.read_keys(stack.signing_key)
    token = callback_urls.issue(keys, None, datetime.now(UTC) + timedelta(minutes=5))
    return Caller(http, host.url, stack.function_key, token, seen)


def only_http(stack: LocalStack, environment: dict[str, str]) -> FunctionsHost:
    others = {function["group"] for function in stack.host.functions} - {HTTP_GROUP}
    return FunctionsHost(PROJECT, environment, dict.fromkeys(others, 0))


async def call_callbacks(stack: LocalStack, http: httpx.AsyncClient, seen: Seen) -> None:
    app = caller(stack, http, seen, stack.host)
    for name in ("callback", "signed_callback"):
        await app.call(name, 202, query=VIDEO)
        await app.call(name, 200, query={**VIDEO, "state": "Processing"})
        await app.call(name, 200, query={"id": "never-there", "personName": "Somebody"})
        await app.call(name, 400, query={"state": "Processed"})
    await app.call("callback", 401, key="")
    await app.call("signed_callback", 401, query=VIDEO, token="a.b")


async def call_operator_routes(stack: LocalStack, http: httpx.AsyncClient, seen: Seen) -> None:
    app = caller(stack, http, seen, stack.host)
    for name in ("new_callback_url", "start_backfill", "start_rematch", "replay"):
        await app.call(name, 401, key="wrong")
        await app.call(name, 400, body={"nonsense": True})
    await app.call("new_callback_url", 200)
    await app.call("new_callback_url", 200, body={"reference": "東京 & 100 %", "ttl": 60})
    for kind in ("backfill", "rematch"):
        started = (await app.call(f"start_{kind}", 202, body={"dryRun": True})).json()
        assert started["status"] == f"/api/operations/{kind}/{started['operationId']}"
        await app.call(f"{kind}_status", 200, operation_id=started["operationId"])
        await app.call(f"{kind}_status", 404, operation_id=NEVER)
        await app.call(f"{kind}_status", 401, operation_id=NEVER, key="")
    for request in ({"videos": ["never-there"]}, {"poison": "rematch"}):
        await app.call("replay", 200, body={**request, "dryRun": True})
    period = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+01:00"}
    await app.call("replay", 200, body=period)


async def call_health(stack: LocalStack, http: httpx.AsyncClient, seen: Seen) -> None:
    app = caller(stack, http, seen, stack.host)

    # The health recovers from other tests on this stack.
    async def good() -> bool:
        return (await http.get(f"{stack.host.url}/api/healthz")).is_success

    await eventually(good, "it is well", stack.host.logs)
    await app.call("health", 200)
    await app.call("healthz", 200)
    await app.call("health", 401, key="")


async def call_without_signing_keys(stack: LocalStack, http: httpx.AsyncClient, seen: Seen) -> None:
    environment = stack.app_environment()
    del environment["CALLBACK_SIGNING_KEYS"]
    async with only_http(stack, environment) as host:
        app = caller(stack, http, seen, host)
        await app.call("signed_callback", 404, query=VIDEO)
        await app.call("new_callback_url", 409, body={})


async def call_without_storage(stack: LocalStack, http: httpx.AsyncClient, seen: Seen) -> None:
    async with only_http(stack, stack.app_environment() | CLOSED) as host:
        app = caller(stack, http, seen, host)
        # At once: storage's client retries for 15 seconds each time.
        *_, health, _ = await asyncio.gather(
            app.call("callback", 503, query=VIDEO),
            app.call("signed_callback", 503, query=VIDEO),
            app.call("start_backfill", 503),
            app.call("start_rematch", 503),
            app.call("replay", 503, body={"videos": ["never-there"]}),
            app.call("backfill_status", 503, operation_id=NEVER),
            app.call("rematch_status", 503, operation_id=NEVER),
            app.call("health", 503),
            app.call("healthz", 503),
        )
    assert health.json()["checks"]["storage"]["status"] == "failed"


async def test_the_app_gives_every_described_response_and_no_other(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    seen: Seen = set()
    parts = (
        call_callbacks,
        call_operator_routes,
        call_health,
        call_without_signing_keys,
        call_without_storage,
    )
    await asyncio.gather(*(part(stack, http, seen) for part in parts))
    assert seen == {(name, status) for name, each in operations().items() for status in each.statuses}


async def test_an_unknown_route_is_404(stack: LocalStack, http: httpx.AsyncClient) -> None:
    for method, path in (("GET", "operations/replay"), ("POST", "health"), ("GET", "nothing")):
        answer = await http.request(
            method, f"{stack.host.url}/api/{path}", headers={"x-functions-key": stack.function_key}
        )
        assert (answer.status_code, answer.content) == (404, b"")


def test_a_response_that_is_not_described_fails_the_check() -> None:
    operation = operations()["callback"]
    for status, body, headers in (
        (202, {"status": "queued", "videoId": "a", "jobId": "b", "more": 1}, {}),
        (202, {"status": "queued", "videoId": "a"}, {}),
        (503, {"error": "x"}, {}),
        (401, {"error": "x"}, {}),
        (418, {}, {}),
    ):
        answer = httpx.Response(status, json=body, headers=headers)
        with pytest.raises((AssertionError, KeyError, ValidationError)):
            check(operation, answer)
    good = httpx.Response(503, json={"error": "x"}, headers={"Retry-After": "30"})
    check(operation, good)

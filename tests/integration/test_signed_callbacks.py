"""Signed callback URLs through the host: issued on request, called by Video Indexer and by others."""

import base64
import secrets
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from emulators.functions_host.functions import HTTP_GROUP
from emulators.functions_host.supervisor import FunctionsHost
from keywire.signals import callback_urls
from local.stack import LocalStack
from tests.support.builders import index, keyword
from tests.support.on_stack import document, event, upload
from tests.support.waiting import eventually

BASE_URL = "https://media.example/keywire"


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


@pytest.fixture(scope="module")
def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(scope="module")
async def rotated(stack: LocalStack, new_key: str) -> AsyncIterator[FunctionsHost]:
    """A second host of the same app, with a new key before the old one."""
    keys = {"CALLBACK_SIGNING_KEYS": f"{new_key},{stack.signing_key}", "CALLBACK_BASE_URL": BASE_URL}
    async with only_http(stack, stack.app_environment() | keys) as host:
        yield host


def only_http(stack: LocalStack, environment: dict[str, str]) -> FunctionsHost:
    others = {function["group"] for function in stack.host.functions} - {HTTP_GROUP}
    return FunctionsHost(PROJECT, environment, dict.fromkeys(others, 0))


def token(stack: LocalStack, reference: str | None = None, *, key: str = "", ttl: float = 60) -> str:
    keys = callback_urls.read_keys(key or stack.signing_key)
    return callback_urls.issue(keys, reference, datetime.now(UTC) + timedelta(seconds=ttl))


async def ask(
    stack: LocalStack, http: httpx.AsyncClient, host: FunctionsHost, **request: Any
) -> httpx.Response:
    key = {"x-functions-key": stack.function_key}
    return await http.post(f"{host.url}/api/operations/callback-url", headers=key, **request)


async def call(http: httpx.AsyncClient, host: FunctionsHost, path: str, query: str = "") -> httpx.Response:
    return await http.post(f"{host.url}/api/video-indexer/callback/{path}{query}")


async def test_the_uploaders_reference_reaches_the_document_and_the_event(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    reference = "CMS 2026/0042 – Ärger, 東京 & 100 %"
    made = (await ask(stack, http, stack.host, json={"reference": reference})).json()
    video_id = await upload(stack, http, index([keyword("signed")]), made["callbackUrl"])
    assert (await document(stack, video_id))["reference"] == reference
    published = await event(stack, video_id)
    assert (published["data"]["reference"], published["data"]["externalId"]) == (reference, "cms-1")


async def test_the_encoded_url_is_a_value_for_a_query_string(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    made = (await ask(stack, http, stack.host, json={})).json()
    assert unquote(made["encoded"]) == made["callbackUrl"]
    assert quote(made["callbackUrl"], safe="") == made["encoded"]
    request = httpx.Request(
        "POST", f"https://vi.example/Videos?name=x&callbackUrl={made['encoded']}&language=en"
    )
    assert request.url.params["callbackUrl"] == made["callbackUrl"]


@pytest.mark.parametrize(("request_body", "seconds"), [(b"", 604_800), (b'{"ttl": 60}', 60)])
async def test_a_new_callback_url_comes_with_its_expiry(
    stack: LocalStack, http: httpx.AsyncClient, request_body: bytes, seconds: int
) -> None:
    answer = await ask(stack, http, stack.host, content=request_body)
    assert answer.status_code == 200
    made = answer.json()
    assert made.keys() == {"callbackUrl", "encoded", "expiresAt"}
    assert made["callbackUrl"].startswith(f"{stack.host.url}/api/video-indexer/callback/")
    left = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
    assert seconds - 30 < left.total_seconds() <= seconds
    claims = callback_urls.verify(
        callback_urls.read_keys(stack.signing_key), made["callbackUrl"].rpartition("/")[2], datetime.now(UTC)
    )
    assert claims.expires_at == datetime.fromisoformat(made["expiresAt"])


async def test_a_new_callback_url_needs_the_function_key(stack: LocalStack, http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{stack.host.url}/api/operations/callback-url", json={})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"ttl": 2592001}', b'{"reference": ""}', b'{"id": "a"}']
)
async def test_an_invalid_request_is_refused(stack: LocalStack, http: httpx.AsyncClient, body: bytes) -> None:
    answer = await ask(stack, http, stack.host, content=body)
    assert answer.status_code == 400
    assert "not a request for a callback URL" in answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("id={id}&state=Processed", 202),
        ("tag=mine&id=mine&state=draft&id={id}&state=Processed", 202),
        ("code=wrong&ID={id}&STATE=failed", 202),
        ("id={id}&state=Processing", 200),
        ("id={id}&faceId=1&personName=Somebody", 200),
        ("state=Processed", 400),
        ("id=..%2F..%2Fetc&state=Processed", 400),
        ("", 400),
    ],
)
async def test_a_signed_url_responds_like_the_callback_with_a_function_key(
    stack: LocalStack, http: httpx.AsyncClient, query: str, status: int
) -> None:
    written = query.replace("{id}", uuid.uuid4().hex)
    signed = await call(http, stack.host, token(stack), f"?{written}")
    keyed = await http.post(f"{stack.callback_url}&{written.replace('code=', 'other=')}")
    assert signed.status_code == keyed.status_code == status
    assert signed.json() | {"jobId": None} == keyed.json() | {"jobId": None}


INVALID_TOKENS = {
    "expired": (lambda stack: token(stack, ttl=-1), 401),
    "of another key": (lambda stack: token(stack, key="b" * 43 + "="), 401),
    "forged": (lambda stack: "B" + token(stack)[1:], 401),
    "truncated": (lambda stack: token(stack)[:-1], 401),
    "without its signature": (lambda stack: token(stack).partition(".")[0], 401),
    "signed twice": (lambda stack: token(stack) + "." + token(stack), 401),
    "with a slash in it": (lambda stack: token(stack).replace(".", "%2F"), 401),
    "with a slash before it": (lambda stack: "%2F" + token(stack), 401),
    "with a path after it": (lambda stack: token(stack) + "/more", 404),
    "long": (lambda stack: "a" * 10_000, 401),
    "signed and long": (lambda stack: token(stack, "x" * 10_000), 401),
    "in another alphabet": (lambda stack: quote("東京") + token(stack), 401),
    "no UTF-8": (lambda stack: "%FF%FE" + token(stack), 401),
    "with a NUL": (lambda stack: token(stack) + "%00", 401),
    "with a line break": (lambda stack: token(stack) + "%0D%0A", 401),
    "a space": (lambda stack: "%20", 401),
    "nothing": (lambda stack: "", 401),
    "nothing but slashes": (lambda stack: "//", 401),
}


@pytest.mark.parametrize(("path", "status"), INVALID_TOKENS.values(), ids=INVALID_TOKENS)
async def test_an_invalid_token_is_refused_and_queues_no_job(
    stack: LocalStack, http: httpx.AsyncClient, path: Any, status: int
) -> None:
    refused, queued = uuid.uuid4().hex, uuid.uuid4().hex
    answer = await call(http, stack.host, path(stack), f"?id={refused}&state=Processed")
    assert answer.status_code == status
    assert (await call(http, stack.host, token(stack), f"?id={queued}&state=Processed")).status_code == 202
    await eventually(lambda: f"callback video={queued} job=" in stack.host.logs(), "a callback is logged")
    assert refused not in stack.host.logs()


async def test_a_token_is_not_a_function_key(stack: LocalStack, http: httpx.AsyncClient) -> None:
    url = f"{stack.host.url}/api/video-indexer/callback?id=abc&state=Processed"
    assert (await http.post(f"{url}&code={token(stack)}")).status_code == 401


async def test_a_signed_callback_must_be_a_post(stack: LocalStack, http: httpx.AsyncClient) -> None:
    url = f"{stack.host.url}/api/video-indexer/callback/{token(stack)}?id=abc&state=Processed"
    assert (await http.get(url)).status_code in {404, 405}


async def test_a_key_rotation_breaks_no_signed_url(
    stack: LocalStack, http: httpx.AsyncClient, rotated: FunctionsHost, new_key: str
) -> None:
    query = "?id=never-there&state=Processed"
    old, forged = token(stack), token(stack, key="b" * 43 + "=")
    made = (await ask(stack, http, rotated, json={"reference": "after"})).json()["callbackUrl"]
    assert made.startswith(f"{BASE_URL}/api/video-indexer/callback/")
    new = made.rpartition("/")[2]
    assert callback_urls.verify(callback_urls.read_keys(new_key), new, datetime.now(UTC)).reference == "after"
    answers = [(await call(http, rotated, each, query)).status_code for each in (old, new, forged)]
    assert answers == [202, 202, 401]
    assert (await call(http, stack.host, new, query)).status_code == 401  # this host has only the old key


async def test_without_a_signing_key_there_are_no_signed_urls(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    environment = stack.app_environment()
    del environment["CALLBACK_SIGNING_KEYS"]
    async with only_http(stack, environment) as host:
        answer = await call(http, host, token(stack), "?id=abc&state=Processed")
        assert answer.status_code == 404
        answer = await ask(stack, http, host, json={})
        assert answer.status_code == 409
        assert "CALLBACK_SIGNING_KEYS" in answer.json()["error"]


async def test_no_log_holds_a_token_a_signing_key_or_a_reference(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    made = (await ask(stack, http, stack.host, json={"reference": "campaign-of-somebody"})).json()
    good = made["callbackUrl"].rpartition("/")[2]
    expired, forged = token(stack, ttl=-1), token(stack, key="b" * 43 + "=")
    video_id = await upload(stack, http, index([keyword("quiet")]), made["callbackUrl"])
    await document(stack, video_id)
    before = stack.host.logs().count("callback refused: the token has expired")
    for each in (expired, forged):
        assert (await call(http, stack.host, each, "?id=abc&state=Processed")).status_code == 401

    def logged() -> bool:
        return stack.host.logs().count("callback refused: the token has expired") > before

    await eventually(logged, "the refusal is logged")
    logs = stack.host.logs()
    assert logs.count("callback refused: the token has expired") == before + 1
    assert f"callback video={video_id} job=" in logs
    for secret in (good, expired, forged):
        for part in (secret, *secret.split("."), quote(secret)):
            assert part not in logs
    for forbidden in (stack.signing_key, quote(stack.signing_key, safe=""), "campaign-of-somebody"):
        assert forbidden not in logs

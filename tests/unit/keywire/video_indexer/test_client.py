"""The client and its tokens, against the emulator in this process."""

import asyncio
import base64
import gc
import json
import logging
import time
import weakref
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.identity import CredentialUnavailableError

from keywire.video_indexer import requests
from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    TransientError,
    VideoIndexerError,
)
from keywire.video_indexer.quota_ledger import Lane
from keywire.video_indexer.service_time import MARGIN
from keywire.video_indexer.tokens import read_expiry
from tests.support.video_indexer import ENDPOINT, Service


class RecordingGate:
    """A gate that records each trip; `tripped` is one that is tripped already."""

    def __init__(self, *, tripped: bool = False) -> None:
        self.trips: list[tuple[float, str]] = []
        self._tripped = tripped

    async def wait(self, lane: Lane) -> None:
        await self.check()

    async def check(self) -> None:
        if self._tripped:
            raise ThrottledError("tripped")

    async def trip(self, until_seconds: float, *, reason: str = "") -> None:
        self.trips.append((until_seconds - time.time(), reason))


async def test_get_index_requests_keywords_only_with_the_token_in_the_header() -> None:
    service = Service()
    body = await service.client.get_index(await service.processed_video())
    request = service.requests[-1]
    assert dict(request.url.params) == {
        "includedInsights": "Keywords",
        "includeSummarizedInsights": "false",
        "includeStreamingUrls": "false",
    }
    assert request.headers["Authorization"].startswith("Bearer ")
    assert request.headers["x-ms-client-request-id"]
    insights = json.loads(body)["videos"][0]["insights"]
    assert insights["keywords"][0]["text"] == "office insider"
    assert "transcript" not in insights
    assert b"viewToken" not in body or json.loads(body)["videos"][0]["viewToken"] is None


async def test_the_memory_of_an_answer_is_freed_at_once() -> None:
    """An index may have many megabytes, and the garbage collector may run after a thousand of them."""
    service = Service()
    video_id = await service.processed_video()
    answers: list[weakref.ref[httpx.Response]] = []

    async def note(response: httpx.Response) -> None:
        answers.append(weakref.ref(response))

    service.client._http.event_hooks["response"].append(note)
    gc.disable()
    try:
        for _ in range(3):
            assert await service.client.get_index(video_id)
        assert [answer() for answer in answers[1:]] == [None, None, None]  # the first one is the token's
    finally:
        gc.enable()


async def test_an_answer_sets_the_service_time_of_every_lane() -> None:
    service = Service()
    video_id = await service.processed_video()

    async def write_date(response: httpx.Response) -> None:
        response.headers["Date"] = "Mon, 02 Mar 2026 09:00:00 GMT"

    service.client._http.event_hooks["response"].append(write_date)
    await service.client.in_lane("backfill").get_index(video_id)
    now = service.client.time.passed_at(datetime.now(UTC))
    assert abs(now - datetime(2026, 3, 2, 9, tzinfo=UTC) + MARGIN) < timedelta(seconds=10)


async def test_a_readers_token_of_the_account_is_requested() -> None:
    service = Service()
    await service.tokens.get()
    assert service.identity.scopes == ["https://management.azure.com/.default"]
    assert json.loads(service.requests[-1].content) == {"permissionType": "Reader", "scope": "Account"}


async def test_a_token_is_cached_until_five_minutes_before_it_expires() -> None:
    service = Service()
    first = await service.tokens.get()
    service.emulator.clock.advance(3299)
    assert await service.tokens.get() == first
    service.emulator.clock.advance(2)
    assert await service.tokens.get() != first
    assert service.count("/generateAccessToken") == 2


async def test_a_short_lived_token_is_not_renewed_for_every_request() -> None:
    service = Service(token_lifetime_seconds=60)
    first = await service.tokens.get()
    service.emulator.clock.advance(29)
    assert await service.tokens.get() == first


async def test_concurrent_callers_share_one_renewal() -> None:
    service = Service()
    tokens = await asyncio.gather(*(service.tokens.get() for _ in range(32)))
    assert len(set(tokens)) == 1
    assert service.count("/generateAccessToken") == 1


async def test_concurrent_callers_share_the_failure_of_one_renewal() -> None:
    service = Service()
    await service.fault(operation="GenerateAccessToken", kind="status", status=429, retryAfter=7)
    outcomes = await asyncio.gather(*(service.tokens.get() for _ in range(32)), return_exceptions=True)
    assert all(isinstance(outcome, ThrottledError) and outcome.retry_after == 7 for outcome in outcomes)
    assert service.count("/generateAccessToken") == 1
    assert await service.tokens.get()


async def test_a_cancelled_caller_does_not_cancel_the_renewal_for_others() -> None:
    service = Service()
    first, second = (asyncio.create_task(service.tokens.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled()


async def test_a_refused_token_is_renewed_once_and_the_request_is_repeated() -> None:
    service = Service()
    video_id = await service.processed_video()
    await service.fault(operation="GetVideoIndex", kind="expired-token")
    assert b"office insider" in await service.client.get_index(video_id)
    assert service.count("/generateAccessToken") == 2
    assert service.count("/Index") == 2


async def test_callers_refused_with_the_same_token_share_one_renewal() -> None:
    service = Service()
    first = await service.tokens.get()
    tokens = set(await asyncio.gather(*(service.tokens.get(refused=first) for _ in range(8))))
    assert len(tokens) == 1
    assert first not in tokens
    assert service.count("/generateAccessToken") == 2


async def test_a_second_refusal_is_a_misconfiguration() -> None:
    service = Service()
    video_id = await service.processed_video()
    await service.fault(operation="GetVideoIndex", kind="expired-token", count=2)
    with pytest.raises(MisconfiguredError):
        await service.client.get_index(video_id)
    assert service.count("/Index") == 2


async def test_an_identity_without_the_role_is_a_misconfiguration() -> None:
    service = Service(client_id="another-app", object_id="another-app")
    with pytest.raises(MisconfiguredError) as raised:
        await service.client.get_index("abc")
    assert raised.value.code == "AuthorizationFailed"


async def test_a_missing_role_error_names_identity_action_scope_and_command() -> None:
    gate = RecordingGate()
    service = Service(gate=gate, client_id="another-app", object_id="another-app")
    service.identity.claims = {"oid": "11111111-2222", "appid": "33333333-4444"}
    with pytest.raises(MisconfiguredError) as raised:
        await service.client.get_index("abc")
    resource_id = service.emulator.config.resource_id
    message = str(raised.value)
    assert "object id 11111111-2222 (client id 33333333-4444)" in message
    assert "action Microsoft.VideoIndexer/accounts/generateAccessToken/action" in message
    assert (
        "az role assignment create --assignee-object-id 11111111-2222 --assignee-principal-type "
        f"ServicePrincipal --role Contributor --scope {resource_id}"
    ) in message
    assert service.identity.issued[0] not in message
    ((seconds, reason),) = gate.trips
    assert 55 < seconds <= 60
    assert reason == message


async def test_a_tripped_gate_also_stops_requests_to_resource_manager() -> None:
    service = Service(gate=RecordingGate(tripped=True))
    with pytest.raises(ThrottledError):
        await service.client.get_index("abc")
    assert service.requests == []


async def test_an_app_without_an_identity_is_a_misconfiguration() -> None:
    service = Service()
    service.identity.failure = CredentialUnavailableError("no managed identity endpoint")
    with pytest.raises(MisconfiguredError, match="has no identity"):
        await service.client.get_index("abc")
    service.identity.failure = ServiceRequestError("no route")
    with pytest.raises(TransientError, match="ServiceRequestError"):
        await service.client.get_index("abc")


async def test_a_refused_account_trips_the_gate_and_a_forbidden_video_does_not() -> None:
    gate = RecordingGate()
    service = Service(gate=gate)
    video_id = await service.processed_video()
    await service.fault(operation="GetVideoIndex", kind="status", status=403)
    with pytest.raises(MisconfiguredError):
        await service.client.get_index(video_id)
    assert gate.trips == []
    await service.fault(operation="GetVideoIndex", kind="expired-token", count=2)
    with pytest.raises(MisconfiguredError, match="VIDEO_INDEXER_ACCOUNT_ID"):
        await service.client.get_index(video_id)
    assert len(gate.trips) == 1


async def test_a_restricted_viewers_token_is_requested_if_set() -> None:
    service = Service(restricted=True)
    video_id = await service.processed_video()
    assert await service.client.get_index(video_id)
    (request,) = [each for each in service.requests if each.method == "POST"]
    assert request.url.path.endswith("/generateRestrictedViewerAccessToken")
    assert json.loads(request.content) == {"scope": "Account"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "status", "status": 429, "retryAfter": 3}, ThrottledError),
        ({"kind": "status", "status": 500}, TransientError),
        ({"kind": "status", "status": 503}, TransientError),
        ({"kind": "in-progress"}, NotReadyError),
        ({"kind": "reset"}, TransientError),
        ({"kind": "truncate"}, TransientError),
    ],
)
async def test_each_fault_of_the_service_becomes_its_error_and_the_next_request_works(
    fault: dict[str, Any], kind: type[VideoIndexerError]
) -> None:
    service = Service()
    video_id = await service.processed_video()
    await service.fault(operation="GetVideoIndex", **fault)
    with pytest.raises(kind):
        await service.client.get_index(video_id)
    assert b"office insider" in await service.client.get_index(video_id)


async def test_a_slow_answer_ends_after_the_total_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "TOTAL_SECONDS", 0.01)

    async def trickle(_: httpx.Request) -> httpx.Response:
        answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        return await answer

    http = httpx.AsyncClient(transport=httpx.MockTransport(trickle))
    with pytest.raises(TransientError, match="no answer: TimeoutError"):
        await asyncio.wait_for(requests.send(http, "x", "GET", ENDPOINT, token="t", params={}), 5)


async def test_a_removed_video_raises_gone() -> None:
    service = Service()
    video_id = await service.processed_video()
    await service.emulator.client.delete(f"{service.emulator.videos}/{video_id}")
    with pytest.raises(GoneError):
        await service.client.get_index(video_id)


async def test_no_log_line_has_a_token_or_a_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="keywire")
    service = Service()
    video_id = await service.processed_video()
    await service.client.get_index(video_id)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("keywire"))
    assert "request_id=" in ours
    assert await service.tokens.get() not in ours
    assert "includedInsights" not in ours


def test_the_expiry_is_read_from_the_token_itself() -> None:
    payload = base64.urlsafe_b64encode(b'{"exp": 1800000000.5, "sub": "x"}').rstrip(b"=").decode()
    assert read_expiry(f"e30.{payload}.c2ln") == 1_800_000_000.5


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.!!!.c", "e30.e30.x", "e30.eyJleHAiOiJ4In0.x"])
def test_an_unreadable_token_is_a_value_error(token: str) -> None:
    with pytest.raises(ValueError):
        read_expiry(token)

"""The callback, with the function key and with a signed URL, and the request for a signed URL."""

import base64
import logging
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from azure.core.exceptions import ServiceRequestError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from handlers import callback as handler
from handlers.callback import callback, new_callback_url, signed_callback
from keywire.jobs import job as jobs
from keywire.services.services import Services
from keywire.signals import callback_urls
from keywire.telemetry import tracing
from tests.support.builders import TRACEPARENT, VIDEO_ID
from tests.support.invocations import body_of, http_request, invocation
from tests.support.memory_storage import MemoryStorage

KEY = b"k" * 32
SIGNING = {"CALLBACK_SIGNING_KEYS": base64.b64encode(KEY).decode()}
PROCESSED = {"id": VIDEO_ID, "state": "Processed"}

type Counts = Counter[tuple[str, ...]]


def the_job(storage: MemoryStorage) -> jobs.ExtractionJob:
    (text,) = storage.sent["extraction"]
    return jobs.decode(text.encode())


def token(reference: str | None = None, *, valid_for: timedelta = timedelta(hours=1)) -> str:
    return callback_urls.issue([KEY], reference, datetime.now(UTC) + valid_for)


async def test_a_final_state_queues_a_job(
    services: Services, storage: MemoryStorage, counted: Counts
) -> None:
    response = await callback(http_request(query=PROCESSED), invocation())

    job = the_job(storage)
    assert response.status_code == 202
    assert body_of(response) == {"status": "queued", "videoId": VIDEO_ID, "jobId": job.job_id}
    assert (job.video_id, job.signal, job.reference) == (VIDEO_ID, "callback", None)
    assert job.traceparent == TRACEPARENT
    assert timedelta() <= datetime.now(UTC) - job.received_at < timedelta(minutes=1)
    assert counted == {("signals", "callback", "queued"): 1}


async def test_a_host_without_traces_gets_a_new_sampled_trace_context(
    services: Services, storage: MemoryStorage
) -> None:
    await callback(http_request(query=PROCESSED), invocation(""))
    traceparent = the_job(storage).traceparent
    assert traceparent is not None
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)


async def test_a_traced_callback_makes_its_own_span_the_parent_of_the_job(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    await callback(http_request(query=PROCESSED), invocation())
    _, trace, span, flags = str(the_job(storage).traceparent).split("-")
    _, hosts_trace, hosts_span, _ = TRACEPARENT.split("-")
    assert (trace, flags) == (hosts_trace, "01")
    assert span != hosts_span


async def test_a_state_that_is_not_final_queues_nothing(
    services: Services, storage: MemoryStorage, counted: Counts
) -> None:
    response = await callback(http_request(query={"id": VIDEO_ID, "state": "Processing"}), invocation())
    assert response.status_code == 200
    assert body_of(response) == {"status": "ignored", "reason": "the state is not final"}
    assert storage.sent == {}
    assert counted == {("signals", "callback", "ignored"): 1}


async def test_a_callback_about_a_person_queues_nothing_and_its_name_is_not_logged(
    services: Services, storage: MemoryStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    query = {"id": VIDEO_ID, "faceId": "7", "knownPersonId": "8", "personName": "Inigo Montoya"}
    response = await callback(http_request(query=query), invocation())
    assert response.status_code == 200
    assert body_of(response)["reason"] == "a person was identified"
    assert storage.sent == {}
    assert VIDEO_ID in caplog.text
    assert "Montoya" not in caplog.text


async def test_a_callback_without_a_video_id_is_refused(
    services: Services, storage: MemoryStorage, counted: Counts
) -> None:
    response = await callback(http_request(query={"state": "Processed"}), invocation())
    assert response.status_code == 400
    assert body_of(response) == {"error": "the query parameter id is missing"}
    assert storage.sent == {}
    assert counted == {("signals", "callback", "refused"): 1}


async def test_a_job_that_storage_does_not_take_asks_the_caller_to_retry(
    services: Services, storage: MemoryStorage, counted: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    storage.failures["extraction"] = ServiceRequestError("no route to host")
    response = await callback(http_request(query=PROCESSED), invocation())
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"
    assert body_of(response) == {"error": "the job could not be queued"}
    assert counted == {("signals", "callback", "failed"): 1}
    assert f"video={VIDEO_ID} not queued: ServiceRequestError" in caplog.text


async def test_a_storage_that_does_not_answer_in_time_asks_the_caller_to_retry(
    services: Services, storage: MemoryStorage, counted: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "REPLY_SECONDS", 0.01)
    storage.hangs = True
    response = await callback(http_request(query=PROCESSED), invocation())
    assert response.status_code == 503
    assert counted == {("signals", "callback", "failed"): 1}


async def test_a_signed_url_queues_a_job_with_the_uploaders_reference(
    start_app: Callable[..., Services], storage: MemoryStorage
) -> None:
    start_app(**SIGNING)
    request = http_request(query=PROCESSED, route={"token": token("cms-2026-0042")})
    response = await signed_callback(request, invocation())
    assert response.status_code == 202
    assert the_job(storage).reference == "cms-2026-0042"


async def test_an_invalid_token_is_refused_and_not_logged(
    start_app: Callable[..., Services],
    storage: MemoryStorage,
    counted: Counts,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_app(**SIGNING)
    expired = token(valid_for=timedelta(seconds=-1))
    for invalid, error in (("nonsense", "the token is malformed"), (expired, "the token has expired")):
        request = http_request(query=PROCESSED, route={"token": invalid})
        response = await signed_callback(request, invocation())
        assert response.status_code == 401
        assert body_of(response) == {"error": error}
        assert error in caplog.text
        assert invalid not in caplog.text
    assert storage.sent == {}
    assert counted == {("signals", "callback", "refused"): 2}


async def test_without_a_signing_key_a_signed_url_is_not_found(
    services: Services, storage: MemoryStorage
) -> None:
    response = await signed_callback(http_request(query=PROCESSED, route={"token": token()}), invocation())
    assert response.status_code == 404
    assert storage.sent == {}


async def test_a_new_callback_url_can_be_called(
    start_app: Callable[..., Services], storage: MemoryStorage
) -> None:
    start_app(**SIGNING)
    asked_at = datetime.now(UTC)
    request = http_request(
        body={"reference": "cms-7", "ttl": 60}, url="https://keywire.example/api/operations/callback-url"
    )
    response = await new_callback_url(request)

    assert response.status_code == 200
    body = body_of(response)
    base, _, issued = body["callbackUrl"].rpartition("/")
    assert base == "https://keywire.example/api/video-indexer/callback"
    assert unquote(body["encoded"]) == body["callbackUrl"]
    assert not {"/", ":", "&"} & set(body["encoded"])
    assert body["expiresAt"].endswith("Z")
    expires_in = datetime.fromisoformat(body["expiresAt"]) - asked_at
    assert timedelta(seconds=59) <= expires_in <= timedelta(seconds=61)
    await signed_callback(http_request(query=PROCESSED, route={"token": issued}), invocation())
    assert the_job(storage).reference == "cms-7"


async def test_a_new_callback_url_begins_with_the_base_url_that_is_set(
    start_app: Callable[..., Services],
) -> None:
    start_app(**SIGNING, CALLBACK_BASE_URL="https://video.example")
    response = await new_callback_url(http_request())
    assert body_of(response)["callbackUrl"].startswith("https://video.example/api/video-indexer/callback/")


@pytest.mark.parametrize(
    ("body", "url", "error"),
    [
        ({"ttl": 0}, "https://keywire.example/api", "not a request for a callback URL"),
        ({}, "/api/operations/callback-url", "set CALLBACK_BASE_URL"),
    ],
)
async def test_a_request_that_gives_no_callback_url_is_refused(
    start_app: Callable[..., Services], body: dict[str, int], url: str, error: str
) -> None:
    start_app(**SIGNING)
    response = await new_callback_url(http_request(body=body, url=url))
    assert response.status_code == 400
    assert error in body_of(response)["error"]


async def test_without_a_signing_key_there_is_no_new_callback_url(services: Services) -> None:
    response = await new_callback_url(http_request())
    assert response.status_code == 409
    assert "CALLBACK_SIGNING_KEYS" in body_of(response)["error"]

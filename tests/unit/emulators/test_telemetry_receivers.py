"""The receivers of telemetry: whom they let in, what they refuse, and how they show what came."""

import gzip
import time
from typing import Any

import httpx
import jwt
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from emulators import app_insights, otlp
from emulators.app_insights import INSTRUMENTATION_KEY

IDENTITY = "0b5c7a52-63d5-4f0c-9d8e-6f6b0f7f4a11"
SPAN = Span(
    name="callback",
    kind=Span.SPAN_KIND_INTERNAL,
    trace_id=bytes(15) + b"\x01",
    span_id=bytes(7) + b"\x02",
    attributes=[KeyValue(key="http.response.status_code", value=AnyValue(int_value=200))],
)
BODY = ExportTraceServiceRequest(
    resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[SPAN])])]
).SerializeToString()
ITEM = {"name": "Microsoft.ApplicationInsights.Metric", "iKey": INSTRUMENTATION_KEY, "data": {}}


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://receiver.test")


def token(**claims: Any) -> dict[str, str]:
    usual = {"aud": "https://monitor.azure.com", "exp": time.time() + 3600, "appid": IDENTITY}
    return {"Authorization": f"Bearer {jwt.encode(usual | claims, b'x' * 32, algorithm='HS256')}"}


async def export(http: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    usual = {"content-type": "application/x-protobuf"}
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post("/v1/traces", content=body, headers=sent)


async def track(
    http: httpx.AsyncClient, items: Any, path: str = "/v2.1/track", **claims: Any
) -> httpx.Response:
    return await http.post(f"https://receiver.test{path}", json=items, headers=token(**claims))


async def test_spans_are_shown_as_they_came() -> None:
    http = client(otlp.create_app())
    assert (await export(http, BODY)).status_code == 200
    (span,) = (await http.get("/emulator/traces")).json()
    assert span["name"] == "callback"
    assert span["traceId"] == "0" * 31 + "1"
    assert span["spanId"] == "0" * 15 + "2"
    assert span["parentSpanId"] == ""
    assert span["attributes"] == {"http.response.status_code": 200}


async def test_a_compressed_request_is_counted_in_both_sizes() -> None:
    http = client(otlp.create_app())
    compressed = gzip.compress(BODY)
    assert (await export(http, compressed, content_encoding="gzip")).status_code == 200
    (request,) = (await http.get("/emulator/requests")).json()
    sizes = {"items": 1, "bytes": len(BODY), "sentBytes": len(compressed)}
    assert sizes.items() <= request.items()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff", {}, 400),
        (BODY, {"content_encoding": "gzip"}, 400),
        (BODY, {"content_encoding": "br"}, 400),
        (BODY, {"content_type": "application/json"}, 415),
    ],
)
async def test_what_is_no_export_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    http = client(otlp.create_app())
    assert (await export(http, body, **headers)).status_code == status
    assert (await http.get("/emulator/traces")).json() == []


async def test_what_came_can_be_forgotten() -> None:
    http = client(otlp.create_app())
    await export(http, BODY)
    assert (await http.delete("/emulator/received")).status_code == 204
    assert (await http.get("/emulator/traces")).json() == []
    assert (await http.get("/emulator/requests")).json() == []


@pytest.mark.parametrize("path", ["/v2.1/track", "//v2.1/track"])
async def test_items_of_the_component_are_taken(path: str) -> None:
    http = client(app_insights.create_app(client_id=IDENTITY))
    answer = await track(http, [ITEM], path)
    assert answer.status_code == 200
    assert answer.json() == {"itemsReceived": 1, "itemsAccepted": 1, "errors": []}
    assert (await http.get("/emulator/items")).json() == [ITEM]


async def test_an_item_for_another_component_is_refused_and_the_others_taken() -> None:
    http = client(app_insights.create_app())
    answer = await track(http, [ITEM, ITEM | {"iKey": "another"}])
    assert answer.status_code == 206
    assert [error["index"] for error in answer.json()["errors"]] == [1]
    assert (await http.get("/emulator/items")).json() == [ITEM]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "https://storage.azure.com"}, 401),
        ({"exp": 1}, 401),
        ({"appid": "somebody-else"}, 403),
    ],
)
async def test_a_token_that_is_not_for_it_is_refused(claims: dict[str, Any], status: int) -> None:
    http = client(app_insights.create_app(client_id=IDENTITY))
    assert (await track(http, [ITEM], **claims)).status_code == status
    assert (await http.get("/emulator/items")).json() == []


async def test_an_instrumentation_key_alone_opens_nothing() -> None:
    http = client(app_insights.create_app())
    assert (await http.post("/v2.1/track", json=[ITEM])).status_code == 401


async def test_nobody_looks_at_live_metrics() -> None:
    http = client(app_insights.create_app())
    answer = await http.post("/QuickPulseService.svc/ping", headers=token())
    assert (answer.status_code, answer.headers["x-ms-qps-subscribed"]) == (200, "false")

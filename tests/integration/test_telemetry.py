"""Telemetry leaves the app: what arrives at an OTLP receiver, and at a stand-in for Application Insights."""

import asyncio
import base64
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import httpx
import pytest

from emulators import otlp
from emulators.framework.checkout import PROJECT
from emulators.framework.servers import serve
from emulators.functions_host.functions import HTTP_GROUP
from emulators.functions_host.supervisor import FunctionsHost
from emulators.telemetry import Kind
from keywire.storage import layout
from local.stack import LocalStack
from tests.support.builders import index, keyword
from tests.support.on_stack import NOBODY, document, event, indexed
from tests.support.telemetry import PROMISED, SPEAKER, TRACE, TRACEPARENT
from tests.support.waiting import eventually

type Items = list[dict[str, Any]]

# What must never be in telemetry: what a video is called, what it says, and who speaks.
PRIVATE = "confidential launch of the zebra phone"
CALLBACK_PATH = "/api/video-indexer/callback"


class Scenario:
    """A stack whose app sends telemetry, and what happened on it."""

    def __init__(self, stack: LocalStack, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.http = http
        self.traceparent = ""

    async def received(self, what: str) -> Items:
        found: Items = (await self.http.get(f"{self.stack.telemetry_url}/emulator/{what}")).json()
        return found

    async def arrives(self, what: str, expected: Callable[[Items], bool]) -> Items:
        """What the receiver has of a kind, once it is as expected."""

        async def look() -> Items | None:
            found = await self.received(what)
            return found if expected(found) else None

        found: Items = await eventually(look, f"{what} arrive as expected", self.stack.host.logs)
        return found

    async def upload(self, callback_url: str, **video: Any) -> str:
        body = index([keyword(PRIVATE)], video={"metadata": PRIVATE, "externalId": "cms-1"} | video)
        return await self.stack.uploader(self.http).upload(PRIVATE, body, callback_url)

    async def call_back(self, host: FunctionsHost, **params: str) -> int:
        key = {"x-functions-key": self.stack.function_key}
        return (await self.http.post(f"{host.url}{CALLBACK_PATH}", params=params, headers=key)).status_code

    async def run_by_hand(self, function: str, host: FunctionsHost | None = None) -> None:
        key = {"x-functions-key": self.stack.master_key}
        url = f"{(host or self.stack.host).url}/admin/functions/{function}"
        assert (await self.http.post(url, json={}, headers=key)).status_code == 202

    async def play(self) -> None:
        """What makes every instrument say something."""
        stack, http = self.stack, self.http
        video_id = await self.upload(stack.callback_url)
        await document(stack, video_id)
        self.traceparent = (await event(stack, video_id))["traceparent"]
        assert await self.call_back(stack.host, id="abcdefghij", state="Uploaded") == 200
        assert await self.call_back(stack.host, id="no id", state="Processed") == 400
        unasked = await self.upload(NOBODY)
        await indexed(stack, http, unasked)
        await self.run_by_hand("reconciliation")
        await document(stack, unasked)
        fault = {"operation": "GetVideoIndex", "kind": "status", "status": 503}
        (await http.post(f"{stack.video_indexer_url}/emulator/faults", json=fault)).raise_for_status()
        assert await self.call_back(stack.host, id=video_id, state="Processed") == 202
        await stack.storage.queue(layout.EXTRACTION_QUEUE).send_message(base64.b64encode(b"no job").decode())
        await self.run_by_hand("measure")

    @property
    def secrets(self) -> list[str]:
        """What no telemetry item may have: keys, beginnings of tokens, and what is private."""
        stack = self.stack
        return [PRIVATE, "Bearer", "eyJ", stack.function_key, stack.master_key, stack.signing_key]


def telemetry_stack(kind: Kind, **settings: str) -> LocalStack:
    """A stack with the processes that matter here; no timer of ours fires by itself."""
    yearly = "0 0 0 1 1 *"
    unneeded = ("rematch", "backfill", "backfill_pages", "reconciliation", "keep_poison", "measure")
    return LocalStack(
        telemetry=kind,
        instances={f"function:{name}": 0 for name in unneeded},
        settings={"RECONCILIATION_SCHEDULE": yearly, "HEALTH_SCHEDULE": yearly, **settings},
    )


def only_http(stack: LocalStack, **changed: str) -> FunctionsHost:
    """A second host of the app with other settings, for HTTP alone."""
    others = {function["group"] for function in stack.host.functions} - {HTTP_GROUP}
    return FunctionsHost(PROJECT, stack.app_environment() | changed, dict.fromkeys(others, 0))


@pytest.fixture(scope="module")
async def to_otlp() -> AsyncIterator[Scenario]:
    async with telemetry_stack("otlp") as stack, stack.client() as http:
        scenario = Scenario(stack, http)
        await scenario.play()
        yield scenario


@pytest.fixture(scope="module")
async def to_app_insights() -> AsyncIterator[Scenario]:
    async with telemetry_stack("application-insights") as stack, stack.client() as http:
        scenario = Scenario(stack, http)
        await scenario.play()
        yield scenario


def trace_of(traceparent: str) -> str:
    return traceparent.split("-")[1]


def names(items: Iterable[Mapping[str, Any]]) -> set[str]:
    return {item["name"] for item in items}


def latest(points: Items) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The last point of each series of each process: OTLP's counts are cumulative."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for point in points:
        series = (
            point["resource"]["service.instance.id"],
            point["name"],
            *sorted(point["attributes"].items()),
        )
        found[series] = point
    return found


def total(points: Items, name: str, **attributes: str) -> float:
    values: list[float] = [
        point["value"]
        for point in latest(points).values()
        if point["name"] == name and attributes.items() <= point["attributes"].items()
    ]
    return sum(values)


# OTLP


async def test_one_trace_goes_from_the_callback_through_the_queue_to_the_event(to_otlp: Scenario) -> None:
    trace = trace_of(to_otlp.traceparent)
    wanted = {"callback", "extract", "GetVideoIndex", "publish queue", "deliver", "publish event-grid"}
    spans = await to_otlp.arrives(
        "traces", lambda found: wanted <= names(span for span in found if span["traceId"] == trace)
    )
    by_name = {span["name"]: span for span in spans if span["traceId"] == trace}
    callback, extract = by_name["callback"], by_name["extract"]
    assert extract["parentSpanId"] == callback["spanId"] == to_otlp.traceparent.split("-")[2]
    for name in ("GetVideoIndex", "publish queue"):
        assert by_name[name]["parentSpanId"] == extract["spanId"]
    assert by_name["publish event-grid"]["parentSpanId"] == by_name["deliver"]["spanId"]
    assert by_name["deliver"]["parentSpanId"] == callback["spanId"]
    kinds = {
        name: by_name[name]["kind"] for name in ("callback", "extract", "GetVideoIndex", "publish queue")
    }
    assert kinds == {
        "callback": "INTERNAL",
        "extract": "CONSUMER",
        "GetVideoIndex": "CLIENT",
        "publish queue": "PRODUCER",
    }
    assert callback["start"] < extract["start"] < by_name["GetVideoIndex"]["start"]


async def test_every_figure_arrives_as_promised(to_otlp: Scenario) -> None:
    points = await to_otlp.arrives("metrics", lambda found: names(found) >= PROMISED.keys())
    said = {(point["name"], point["kind"], point["unit"], frozenset(point["attributes"])) for point in points}
    assert said == {(name, kind, unit, frozenset(keys)) for name, (kind, unit, keys) in PROMISED.items()}
    assert all(point["scope"] == "keywire" and point["description"] for point in points)


async def test_every_figure_is_counted_once(to_otlp: Scenario) -> None:
    def complete(points: Items) -> bool:
        # The delivery to the topic is a function of its own, so its events are counted last.
        topic = total(points, "keywire.events", destination="event-grid")
        return (
            total(points, "keywire.deferrals") > 0
            and total(points, "keywire.callbacks.missed") > 0
            and topic >= 2
        )

    points = await to_otlp.arrives("metrics", complete)
    counted = {
        "queued": total(points, "keywire.signals", kind="callback", outcome="queued"),
        "ignored": total(points, "keywire.signals", kind="callback", outcome="ignored"),
        "refused": total(points, "keywire.signals", kind="callback", outcome="refused"),
        "found": total(points, "keywire.reconciliation.found", reason="missing"),
        "runs": total(points, "keywire.reconciliation.runs", outcome="succeeded"),
        "missed": total(points, "keywire.callbacks.missed"),
        "published": total(points, "keywire.extractions", outcome="published"),
        "poison": total(points, "keywire.poison", reason="unreadable"),
        "deferrals": total(points, "keywire.deferrals", reason="Transient"),
        "queue": total(points, "keywire.events", destination="queue"),
        "topic": total(points, "keywire.events", destination="event-grid"),
    }
    assert counted == {
        "queued": 2,
        "ignored": 1,
        "refused": 1,
        "found": 1,
        "runs": 1,
        "missed": 1,
        "published": 2,
        "poison": 1,
        "deferrals": 1,
        "queue": 2,
        "topic": 2,
    }


async def test_every_span_arrives_once(to_otlp: Scenario) -> None:
    spans = await to_otlp.arrives("traces", lambda found: Counter(s["name"] for s in found)["extract"] >= 3)
    assert max(Counter(span["spanId"] for span in spans).values()) == 1
    assert {span["scope"] for span in spans} == {"keywire"}


async def test_a_request_that_failed_is_a_failed_span(to_otlp: Scenario) -> None:
    def failed(spans: Items) -> Items:
        return [span for span in spans if span["status"] == "ERROR"]

    spans = await to_otlp.arrives("traces", lambda found: bool(failed(found)))
    assert [(span["name"], span["attributes"]) for span in failed(spans)] == [
        ("GetVideoIndex", {"peer.service": "video-indexer", "http.response.status_code": 503})
    ]


async def test_the_log_lines_of_a_job_carry_its_trace(to_otlp: Scenario) -> None:
    trace = trace_of(to_otlp.traceparent)

    def of_trace(records: Items) -> set[tuple[str, str]]:
        return {(record["scope"], record["severity"]) for record in records if record["traceId"] == trace}

    wanted = {("keywire.handlers.callback", "INFO"), ("keywire.extraction.extraction", "INFO")}
    records = await to_otlp.arrives("logs", lambda found: wanted <= of_trace(found))
    assert all(record["scope"].startswith("keywire.") for record in records)


async def test_every_process_says_who_it_is(to_otlp: Scenario) -> None:
    def processes(points: Items) -> set[tuple[str, str]]:
        resources = [point["resource"] for point in points]
        return {(resource["service.name"], resource["service.instance.id"]) for resource in resources}

    points = await to_otlp.arrives("metrics", lambda found: len(processes(found)) >= 3)
    assert {name for name, _ in processes(points)} == {"keywire"}
    assert len(processes(points)) == 3  # HTTP, extraction and the deliveries to Event Grid


async def test_telemetry_has_no_secret_and_nothing_private(to_otlp: Scenario) -> None:
    await to_otlp.arrives("metrics", lambda found: names(found) >= PROMISED.keys())
    text = json.dumps([await to_otlp.received(what) for what in ("traces", "metrics", "logs")])
    assert [secret for secret in to_otlp.secrets if secret in text] == []


@pytest.mark.parametrize(
    ("function", "figure"), [("measure", "keywire.health"), ("reconciliation", "keywire.reconciliation.runs")]
)
async def test_what_a_timer_says_does_not_wait_for_the_next_minute(
    to_otlp: Scenario, function: str, figure: str
) -> None:
    """An instance that a timer woke may be gone by then."""
    async with serve(otlp.create_app()) as url, httpx.AsyncClient(base_url=url) as receiver:
        hourly = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
        async with only_http(to_otlp.stack, **hourly) as host:
            await to_otlp.run_by_hand(function, host)

            async def arrived() -> bool:
                return figure in names((await receiver.get("/emulator/metrics")).json())

            await eventually(arrived, f"{figure} arrives", host.logs)


async def test_an_endpoint_that_is_gone_costs_no_job(to_otlp: Scenario) -> None:
    gone = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cret",
    }
    async with only_http(to_otlp.stack, **gone) as host:
        video_id = await to_otlp.upload(NOBODY)
        await indexed(to_otlp.stack, to_otlp.http, video_id)
        assert await to_otlp.call_back(host, id=video_id, state="Processed") == 202
        await eventually(lambda: "Failed to export" in host.logs(), "an export failed", host.logs)
        assert await to_otlp.call_back(host, id=video_id, state="Processed") == 202
        assert "s3cret" not in host.logs()
    await document(to_otlp.stack, video_id)


async def spoken(**environment: str) -> dict[str, Items]:
    """What a process that says something sends to an OTLP receiver until its end."""
    async with serve(otlp.create_app()) as url, httpx.AsyncClient(base_url=url) as http:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SPEAKER),
            env={"PYTHONPATH": str(PROJECT), "OTEL_EXPORTER_OTLP_ENDPOINT": url, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return {what: (await http.get(f"/emulator/{what}")).json() for what in ("traces", "metrics", "logs")}


async def test_what_is_left_is_sent_at_the_end_of_the_process() -> None:
    said = await spoken()
    assert [span["name"] for span in said["traces"]] == ["work"]
    assert [(point["name"], point["value"]) for point in said["metrics"]] == [("keywire.signals", 1)]
    assert [(record["severity"], record["body"]) for record in said["logs"]] == [
        ("ERROR", "something went wrong")
    ]


async def test_a_trace_that_its_caller_does_not_record_is_sent_all_the_same() -> None:
    (span,) = (await spoken(TRACEPARENT=TRACEPARENT))["traces"]
    assert span["traceId"] == TRACE


async def test_sampling_keeps_spans_back_and_neither_figures_nor_log_lines() -> None:
    said = await spoken(OTEL_TRACES_SAMPLER="always_off")
    assert (said["traces"], len(said["metrics"]), len(said["logs"])) == ([], 1, 1)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "keywire"),
        ({"OTEL_SERVICE_NAME": "news"}, "news"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=news,team=video"}, "news"),
    ],
)
async def test_the_service_is_called_as_the_environment_says(environment: dict[str, str], name: str) -> None:
    (span,) = (await spoken(**environment))["traces"]
    assert span["resource"]["service.name"] == name


# Application Insights


def of_kind(items: Items, *kinds: str) -> Items:
    return [item for item in items if item["name"].removeprefix("Microsoft.ApplicationInsights.") in kinds]


def ours(items: Items) -> Items:
    """The custom metrics of ours: the SDK adds performance counters of the process."""
    metrics = [item["data"]["baseData"] for item in of_kind(items, "Metric")]
    return [
        {"name": metric["name"], "value": metric["value"], "properties": data["properties"]}
        for data in metrics
        for metric in data["metrics"]
        if metric["name"].startswith("keywire.")
    ]


def spans_of(items: Items, trace: str) -> dict[str, dict[str, Any]]:
    return {
        item["data"]["baseData"]["name"]: item
        for item in of_kind(items, "RemoteDependency", "Request")
        if item["tags"]["ai.operation.id"] == trace
    }


async def test_the_worker_sends_every_figure_to_application_insights(to_app_insights: Scenario) -> None:
    """With a token of the managed identity: the receiver takes nothing else."""
    items = await to_app_insights.arrives("items", lambda found: names(ours(found)) >= PROMISED.keys())
    said = {(metric["name"], frozenset(metric["properties"])) for metric in ours(items)}
    assert said == {(name, frozenset(keys)) for name, (_, _, keys) in PROMISED.items()}
    assert all(isinstance(metric["value"], int | float) for metric in ours(items))
    assert not any(isinstance(metric["value"], bool) for metric in ours(items))


async def test_figures_are_sent_to_application_insights_once(to_app_insights: Scenario) -> None:
    def total_of(items: Items, name: str, **properties: str) -> float:
        values: list[float] = [
            metric["value"]
            for metric in ours(items)
            if metric["name"] == name and properties.items() <= metric["properties"].items()
        ]
        return sum(values)

    items = await to_app_insights.arrives(
        "items",
        lambda found: (
            total_of(found, "keywire.extractions", outcome="published") >= 2
            and total_of(found, "keywire.deferrals") > 0
        ),
    )
    assert total_of(items, "keywire.extractions", outcome="published") == 2
    assert total_of(items, "keywire.signals", kind="callback", outcome="queued") == 2
    assert total_of(items, "keywire.events", destination="queue") == 2
    assert total_of(items, "keywire.deferrals") == 1


async def test_the_trace_arrives_at_application_insights_once_and_whole(to_app_insights: Scenario) -> None:
    trace = trace_of(to_app_insights.traceparent)
    wanted = {
        "callback",
        "extract",
        "generateAccessToken",
        "GetVideoIndex",
        "publish queue",
        "publish event-grid",
        "deliver",
    }
    items = await to_app_insights.arrives("items", lambda found: spans_of(found, trace).keys() >= wanted)
    spans = spans_of(items, trace)
    # Nothing of the HTTP clients' and the Azure SDK's own instrumentation.
    assert spans.keys() == wanted
    extract = spans["extract"]["data"]["baseData"]["id"]
    parents = {name: span["tags"]["ai.operation.parentId"] for name, span in spans.items()}
    assert parents["extract"] == spans["callback"]["data"]["baseData"]["id"]
    assert parents["deliver"] == parents["extract"]
    assert parents["publish event-grid"] == spans["deliver"]["data"]["baseData"]["id"]
    assert {parents[name] for name in ("generateAccessToken", "GetVideoIndex", "publish queue")} == {extract}
    assert spans["GetVideoIndex"]["data"]["baseData"]["target"] == "video-indexer"
    ids = Counter(item["data"]["baseData"]["id"] for item in of_kind(items, "RemoteDependency", "Request"))
    assert max(ids.values()) == 1


async def test_our_log_lines_and_no_others_arrive_at_application_insights(to_app_insights: Scenario) -> None:
    trace = trace_of(to_app_insights.traceparent)

    def loggers(items: Items, of: str | None = None) -> set[str]:
        return {
            item["data"]["baseData"]["properties"]["logger_name"]
            for item in of_kind(items, "Message")
            if of is None or item["tags"].get("ai.operation.id") == of
        }

    wanted = {"keywire.handlers.callback", "keywire.extraction.extraction", "keywire.video_indexer.requests"}
    items = await to_app_insights.arrives("items", lambda found: wanted <= loggers(found, trace))
    assert all(name.startswith("keywire.") for name in loggers(items))
    assert not of_kind(items, "Exception")


async def test_application_insights_gets_no_secret_and_nothing_private(to_app_insights: Scenario) -> None:
    items = await to_app_insights.arrives("items", lambda found: names(ours(found)) >= PROMISED.keys())
    text = json.dumps(items)
    assert [secret for secret in to_app_insights.secrets if secret in text] == []


async def test_sampling_for_application_insights_keeps_back_spans_alone(to_app_insights: Scenario) -> None:
    stack, http = to_app_insights.stack, to_app_insights.http
    async with only_http(stack, OTEL_TRACES_SAMPLER_ARG="0") as host:
        (await http.delete(f"{stack.telemetry_url}/emulator/received")).raise_for_status()
        assert await to_app_insights.call_back(host, id="abcdefghij", state="Uploaded") == 200

        def both(items: Items) -> bool:
            return "keywire.signals" in names(ours(items)) and bool(of_kind(items, "Message"))

        await to_app_insights.arrives("items", both)
    # The process has ended and sent what it had; another one may have done a job meanwhile.
    spans = of_kind(await to_app_insights.received("items"), "RemoteDependency", "Request")
    assert "callback" not in {span["data"]["baseData"]["name"] for span in spans}


async def test_where_the_worker_sends_telemetry_nothing_goes_to_an_otlp_endpoint(
    to_app_insights: Scenario,
) -> None:
    stack = to_app_insights.stack
    async with serve(otlp.create_app()) as url, httpx.AsyncClient(base_url=url) as receiver:
        async with only_http(stack, OTEL_EXPORTER_OTLP_ENDPOINT=url) as host:
            assert await to_app_insights.call_back(host, id="abcdefghij", state="Uploaded") == 200
        assert (await receiver.get("/emulator/requests")).json() == []

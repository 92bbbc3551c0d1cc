"""Telemetry: when it is exported, and the spans. Integration tests check what a receiver gets."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from emulators.framework.checkout import PROJECT
from emulators.telemetry import AZURE_SETTINGS
from keywire.telemetry import instruments, otlp, tracing
from tests.support.infra_variants import app_settings, deployments
from tests.support.telemetry import PARENT, SPEAKER, TRACE, TRACEPARENT


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """An exporter of all spans, with a tracer provider for one test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def one(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in spans.get_finished_spans() if span.name == name]
    return found


def speak(**environment: str) -> tuple[float, str]:
    """Run the speaker; return how long its exit took, and its log."""
    timed = SPEAKER + "import time; print(time.time(), flush=True)\n"
    process = subprocess.run(
        [sys.executable, "-c", timed],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return time.time() - float(process.stdout), process.stderr


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true"}, False),
        *(
            (
                {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
                    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": value,
                },
                wanted,
            )
            for value, wanted in [
                ("true", False),
                (" TRUE", False),
                ("1", False),
                ("false", True),
                ("", True),
            ]
        ),
    ],
)
def test_telemetry_is_exported_if_an_endpoint_is_set_and_the_worker_does_not_export(
    environment: dict[str, str], wanted: bool
) -> None:
    assert otlp.is_wanted(environment) is wanted


def test_a_start_without_telemetry_imports_no_sdk() -> None:
    """Only the API: the SDK and the exporters make a cold start slower."""
    code = (
        "import json, sys, keywire.telemetry.otlp, keywire.telemetry.instruments, keywire.telemetry.tracing;"
        "print(json.dumps(list(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=True).stdout
    imported = {name for name in json.loads(output) if name.startswith("opentelemetry.")}
    assert not [name for name in imported if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert "opentelemetry.trace" in imported


def test_a_span_continues_the_trace_of_a_traceparent(spans: InMemorySpanExporter) -> None:
    with tracing.span("extract", kind="consumer", traceparent=TRACEPARENT):
        current = tracing.current_traceparent()
    span = one(spans, "extract")
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.kind is trace.SpanKind.CONSUMER
    assert current is not None
    assert current.startswith(f"00-{TRACE}-{span.context.span_id:016x}-")


def test_a_span_of_another_trace_links_to_the_invocation(
    spans: InMemorySpanExporter,
) -> None:
    with tracing.span("invocation"), tracing.span("extract", traceparent=TRACEPARENT):
        pass
    invocation = one(spans, "invocation").context
    assert invocation is not None
    assert [link.context.span_id for link in one(spans, "extract").links] == [invocation.span_id]


def test_a_span_of_the_invocations_trace_has_no_link(spans: InMemorySpanExporter) -> None:
    with (
        tracing.span("invocation"),
        tracing.span("callback", traceparent=tracing.current_traceparent()),
    ):
        pass
    assert one(spans, "callback").links == ()
    parent, invocation = one(spans, "callback").parent, one(spans, "invocation").context
    assert parent is not None
    assert invocation is not None
    assert parent.span_id == invocation.span_id


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_span_without_a_trace_context_is_a_child_of_the_current_one(
    spans: InMemorySpanExporter, nothing: str | None
) -> None:
    with tracing.span("outer"), tracing.span("inner", traceparent=nothing):
        pass
    assert one(spans, "inner").parent == one(spans, "outer").context


def test_an_invalid_traceparent_starts_a_new_trace(spans: InMemorySpanExporter) -> None:
    with tracing.span("extract", traceparent="not a traceparent"):
        pass
    assert one(spans, "extract").parent is None


def test_without_an_sdk_the_trace_context_passes_through() -> None:
    assert tracing.current_traceparent() is None
    with tracing.span("extract", traceparent=TRACEPARENT):
        assert tracing.current_traceparent() == TRACEPARENT


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, trace.StatusCode.UNSET),
        (304, trace.StatusCode.UNSET),
        (404, trace.StatusCode.ERROR),
        (503, trace.StatusCode.ERROR),
    ],
)
def test_an_error_status_makes_the_span_an_error(
    spans: InMemorySpanExporter, status: int, code: trace.StatusCode
) -> None:
    with tracing.span("GetVideoIndex", kind="client", attributes={"peer.service": "video-indexer"}) as span:
        tracing.set_response_status(span, status)
    ended = one(spans, "GetVideoIndex")
    assert ended.status.status_code is code
    assert ended.attributes == {"peer.service": "video-indexer", "http.response.status_code": status}


async def test_flush_does_nothing_without_an_sdk() -> None:
    await instruments.flush()


def test_an_unreachable_endpoint_does_not_delay_the_exit_and_no_secret_is_logged() -> None:
    took, log = speak(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://user:p4ssw0rd@127.0.0.1:9",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cret",
    )
    assert took < otlp.SHUTDOWN_SECONDS + 2
    assert "something went wrong" in log
    assert "p4ssw0rd" not in log
    assert "s3cret" not in log


def test_an_endpoint_that_hangs_does_not_delay_the_exit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts connections and never answers
        took, _ = speak(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}")
    assert took < otlp.SHUTDOWN_SECONDS + 2


def test_a_deployment_has_the_telemetry_settings_of_the_local_stack() -> None:
    for name, deployment in deployments().items():
        assert AZURE_SETTINGS.items() <= app_settings(deployment).items(), name


def test_the_host_uses_opentelemetry_for_its_own_telemetry() -> None:
    assert json.loads((PROJECT / "host.json").read_text())["telemetryMode"] == "OpenTelemetry"

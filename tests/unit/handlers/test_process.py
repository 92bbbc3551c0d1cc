"""The start of a process: it needs complete settings and sends telemetry if an endpoint is set."""

import os
import subprocess
import sys

import pytest

from emulators.framework.checkout import PROJECT
from handlers.process import traceparent_of
from tests.support.builders import TRACEPARENT
from tests.support.environment import COMPLETE
from tests.support.invocations import invocation

PROVIDER = "from opentelemetry import trace; print(type(trace.get_tracer_provider()).__module__)"


def start(program: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Import `handlers.process` in a process with this environment only, then run `program`."""
    return subprocess.run(
        [sys.executable, "-c", f"import handlers.process\n{program}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_missing_setting_stops_the_start_and_is_named() -> None:
    incomplete = {name: value for name, value in COMPLETE.items() if name != "VIDEO_INDEXER_LOCATION"}
    started = start(**incomplete)
    assert started.returncode != 0
    assert "VIDEO_INDEXER_LOCATION is missing" in started.stderr


@pytest.mark.parametrize(
    ("more", "module"),
    [
        ({}, "opentelemetry.trace"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "opentelemetry.sdk.trace"),
    ],
)
def test_telemetry_is_set_up_only_if_an_endpoint_is_set(more: dict[str, str], module: str) -> None:
    started = start(PROVIDER, **COMPLETE, **more)
    assert started.stdout == f"{module}\n", started.stderr


def test_the_trace_context_of_an_invocation_is_the_hosts() -> None:
    assert traceparent_of(invocation()) == TRACEPARENT


def test_an_invocation_without_a_trace_context_gets_a_new_sampled_one() -> None:
    first, second = (traceparent_of(invocation("")) for _ in range(2))
    version, trace, span, flags = first.split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert first != second

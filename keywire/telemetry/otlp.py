"""Figures, traces and log lines to an OTLP endpoint, where the standard settings name one.

In Azure the Functions worker sends them to Application Insights and this does nothing: two set-ups would
send everything twice. Elsewhere `OTEL_EXPORTER_OTLP_ENDPOINT` and the other settings of OpenTelemetry's
specification say where to and how; the SDK reads them from the process's environment.

`instruments` and `tracing` need the API only. The SDK and the exporters take 0.3 s of a start
(`bench telemetry`), so they are imported only if an endpoint is set. They work in threads of their own, with
bounded queues: a slow or unreachable endpoint costs telemetry, but neither a job nor its time.
"""

import atexit
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.sdk.resources import Resource

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
WORKER_DOES_IT: Final = "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"
SERVICE_NAME: Final = "keywire"
# For what is left at the end of the process; an endpoint that does not answer is not waited for.
END_SECONDS: Final = 3.0

# As the worker reads its own settings.
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y"})


class _Provider(Protocol):
    def shutdown(self) -> None: ...


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether an endpoint is named and the worker does not send telemetry already."""
    worker_does_it = environment.get(WORKER_DOES_IT, "").strip().lower() in _TRUE
    return bool(environment.get(ENDPOINT, "").strip()) and not worker_does_it


def configure(environment: Mapping[str, str]) -> None:
    """Export metrics, spans and log lines; call it once in a process.

    Every trace is sent unless `OTEL_TRACES_SAMPLER` says otherwise: what a caller's trace context says of
    sampling is the caller's business. Figures are never sampled.
    """
    from opentelemetry import metrics, trace  # noqa: PLC0415 - see the module's docstring
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    resource = _resource()
    sampler = None if environment.get("OTEL_TRACES_SAMPLER") else ALWAYS_ON
    traces = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    figures = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(figures)
    logging.getLogger(SERVICE_NAME).addHandler(_LogHandler(logs))
    _end_in_time(traces, figures, logs)


def _resource() -> "Resource":
    """Who speaks: one process; what the environment says of it comes first."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415

    return Resource.create({"service.name": SERVICE_NAME, **OTELResourceDetector().detect().attributes})


class _LogHandler(logging.Handler):
    """Hands log lines on, as they read, with the trace that they belong to."""

    def __init__(self, provider: "LoggerProvider") -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one on."""
        from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415

        # DEBUG, INFO, WARN, ERROR and FATAL begin at 5, 9, 13, 17 and 21.
        severity = SeverityNumber(min(max(record.levelno // 10, 1), 5) * 4 + 1)
        self._provider.get_logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_number=severity,
                severity_text=record.levelname,
                body=record.getMessage(),
                exception=record.exc_info[1] if record.exc_info else None,
            )
        )


def _end_in_time(*providers: _Provider) -> None:
    """Send what is left at the end of the process, for `END_SECONDS` altogether.

    The SDK's own way waits for each in turn, half a minute and more for an endpoint that hangs. The thread
    starts now: at the end of the interpreter none can.
    """
    ending, ended = threading.Event(), threading.Event()

    def end() -> None:
        ending.wait()
        for provider in providers:
            provider.shutdown()
        ended.set()

    threading.Thread(target=end, name="telemetry-end", daemon=True).start()

    def send_rest() -> None:
        ending.set()
        ended.wait(END_SECONDS)

    atexit.register(send_rest)

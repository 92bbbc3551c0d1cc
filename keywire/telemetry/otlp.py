"""Export of metrics, traces and log lines to an OTLP endpoint, if the standard settings name one.

In Azure the Functions worker exports to Application Insights, and this module does nothing; otherwise everything would
be sent twice. Elsewhere `OTEL_EXPORTER_OTLP_ENDPOINT` and the other settings of OpenTelemetry's specification apply;
the SDK reads them from the process's environment.

`instruments` and `tracing` need the API only. Importing the SDK and the exporters takes 0.3 s of a start
(`bench telemetry`), so they are imported only if an endpoint is set. They use threads of their own and bounded queues:
a slow or unreachable endpoint loses telemetry and delays no job.
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
WORKER_EXPORTS: Final = "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"
SERVICE_NAME: Final = "keywire"
# How long the end of the process may be delayed to send the rest.
SHUTDOWN_SECONDS: Final = 3.0

# The values that the worker reads as true.
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y"})


class _Provider(Protocol):
    def shutdown(self) -> None: ...


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether an endpoint is set and the worker does not export telemetry itself."""
    worker_exports = environment.get(WORKER_EXPORTS, "").strip().lower() in _TRUE
    return bool(environment.get(ENDPOINT, "").strip()) and not worker_exports


def configure(environment: Mapping[str, str]) -> None:
    """Export metrics, spans and log lines; call it once in a process.

    Every trace is sent unless `OTEL_TRACES_SAMPLER` is set; the sampling decision of a caller's trace context is
    ignored. Metrics are never sampled.
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
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(meters)
    logging.getLogger(SERVICE_NAME).addHandler(_LogHandler(logs))
    _shut_down_at_exit(traces, meters, logs)


def _resource() -> "Resource":
    """Return the description of this process; `OTEL_SERVICE_NAME` and resource attributes take precedence."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415

    return Resource.create({"service.name": SERVICE_NAME, **OTELResourceDetector().detect().attributes})


class _LogHandler(logging.Handler):
    """Exports formatted log lines with their trace context."""

    def __init__(self, provider: "LoggerProvider") -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Export one log line."""
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


def _shut_down_at_exit(*providers: _Provider) -> None:
    """Send the rest at the end of the process, within `SHUTDOWN_SECONDS` for all providers.

    The SDK's own exit handlers wait for each provider in turn, which takes half a minute or more if the endpoint hangs.
    The thread starts now, because no thread can start while the interpreter exits.
    """
    exiting, sent = threading.Event(), threading.Event()

    def shut_down() -> None:
        exiting.wait()
        for provider in providers:
            provider.shutdown()
        sent.set()

    threading.Thread(target=shut_down, name="telemetry-shutdown", daemon=True).start()

    def send_rest() -> None:
        exiting.set()
        sent.wait(SHUTDOWN_SECONDS)

    atexit.register(send_rest)

"""Metric instruments, with OpenTelemetry's API.

The process decides where metrics go: to Application Insights if the Functions worker sets that up, to an OTLP endpoint
if one is configured (see `keywire.telemetry.otlp`), otherwise nowhere. Names, units and attributes are a contract with
the alerts in `infra/`; `docs/operations.md` describes them. Attributes have few values, and never the name or id of a
video, a person or a caller.
"""

import asyncio
import logging
from typing import Final

from opentelemetry import metrics

FLUSH_SECONDS: Final = 5.0

_meter: Final = metrics.get_meter("keywire")

logger: Final = logging.getLogger(__name__)

signals: Final = _meter.create_counter(
    "keywire.signals",
    unit="{signal}",
    description="Signals that a video may be ready, by kind and outcome (queued, ignored, refused, failed).",
)
extractions: Final = _meter.create_counter(
    "keywire.extractions",
    unit="{job}",
    description="Jobs that ended, by signal, outcome and the video's state.",
)
callbacks_missed: Final = _meter.create_counter(
    "keywire.callbacks.missed",
    unit="{version}",
    description="Versions that reconciliation found because no callback or log record came.",
)
publish_lag: Final = _meter.create_histogram(
    "keywire.publish.lag",
    unit="s",
    description="Time from the moment that a signal is about, or from its arrival, to the published version.",
    explicit_bucket_boundaries_advisory=[0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400],
)
request_duration: Final = _meter.create_histogram(
    "keywire.request.duration",
    unit="s",
    description="Requests to Video Indexer and Azure Resource Manager, by service, operation and status.",
    explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120],
)
deferrals: Final = _meter.create_counter(
    "keywire.deferrals", unit="{job}", description="Messages that were deferred, by the kind of error."
)
poison: Final = _meter.create_counter(
    "keywire.poison",
    unit="{message}",
    description="Messages that were moved to a poison queue, by queue and kind of reason.",
)
events: Final = _meter.create_counter(
    "keywire.events", unit="{event}", description="Events that were sent, by type and destination."
)
reconciliation_runs: Final = _meter.create_counter(
    "keywire.reconciliation.runs", unit="{run}", description="Runs of reconciliation, by outcome."
)
reconciliation_found: Final = _meter.create_counter(
    "keywire.reconciliation.found",
    unit="{video}",
    description="Jobs that reconciliation queued, by reason.",
)
queue_depth: Final = _meter.create_gauge(
    "keywire.queue.depth", unit="{message}", description="Approximate number of messages on a queue."
)
queue_oldest_age: Final = _meter.create_gauge(
    "keywire.queue.oldest_age", unit="s", description="Age of the oldest visible message of a queue."
)
health: Final = _meter.create_gauge(
    "keywire.health", unit="1", description="0 if a check failed, otherwise 1; `all` is the whole report."
)
quota_used: Final = _meter.create_gauge(
    "keywire.quota.used",
    unit="{request}",
    description="Slots for requests to Video Indexer that were granted in the last minute.",
)


async def flush() -> None:
    """Send the metrics now; stop waiting after `FLUSH_SECONDS`.

    The SDK sends once a minute, but an instance that a timer started may end before that. Alerts need the metrics of
    timers.
    """
    # The API has no such method; an SDK that sends in intervals has it.
    send = getattr(metrics.get_meter_provider(), "force_flush", None)
    if send is None:
        return
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await asyncio.to_thread(send)
    except Exception as error:  # noqa: BLE001 - the SDK raises that type; metrics must not fail a function
        logger.warning("metrics not sent yet: %s", type(error).__name__)

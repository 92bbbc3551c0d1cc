"""Figures and traces of a running Keywire, by OpenTelemetry's API.

Where they go is the process's business: to Application Insights where the Functions worker sets that up,
to an OTLP endpoint where one is configured (see `keywire.otlp`), nowhere otherwise. Names, units and
attributes are a contract with the alerts in `infra/` and are described in `docs/operations.md`.
Attributes have few values: never what a video, a person or a caller is called.
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
    description="Jobs that came to an end, by signal, outcome and the video's state.",
)
callbacks_missed: Final = _meter.create_counter(
    "keywire.callbacks.missed",
    unit="{version}",
    description="Versions that reconciliation brought because no callback or log record did.",
)
publish_lag: Final = _meter.create_histogram(
    "keywire.publish.lag",
    unit="s",
    description="From the moment that a signal speaks of, or its arrival, to the published version.",
    explicit_bucket_boundaries_advisory=[0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400],
)
request_duration: Final = _meter.create_histogram(
    "keywire.request.duration",
    unit="s",
    description="Requests to Video Indexer and Azure Resource Manager, by service, operation and status.",
    explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120],
)
deferrals: Final = _meter.create_counter(
    "keywire.deferrals", unit="{job}", description="Jobs that were put off, by the kind of error."
)
poison: Final = _meter.create_counter(
    "keywire.poison",
    unit="{message}",
    description="Messages that were given up, by queue and kind of reason.",
)
events: Final = _meter.create_counter(
    "keywire.events", unit="{event}", description="Events that were handed over, by type and destination."
)
reconciliation_runs: Final = _meter.create_counter(
    "keywire.reconciliation.runs", unit="{run}", description="Runs of reconciliation, by outcome."
)
reconciliation_found: Final = _meter.create_counter(
    "keywire.reconciliation.found",
    unit="{video}",
    description="Videos that reconciliation queued, by what was wrong with their documents.",
)
queue_depth: Final = _meter.create_gauge(
    "keywire.queue.depth", unit="{message}", description="Messages on a queue, about."
)
queue_oldest_age: Final = _meter.create_gauge(
    "keywire.queue.oldest_age", unit="s", description="Age of the oldest visible message of a queue."
)
health: Final = _meter.create_gauge(
    "keywire.health", unit="1", description="1 where a check is good, else 0; `all` is the whole."
)
quota_used: Final = _meter.create_gauge(
    "keywire.quota.used",
    unit="{request}",
    description="Requests to Video Indexer that were leased in the last minute.",
)


async def flush() -> None:
    """Send the figures now, or go on without after `FLUSH_SECONDS`.

    They leave once a minute, and an instance that a timer woke may be gone by then. Alerts watch what timers
    say.
    """
    # The API has no such operation: only an SDK that sends in intervals does.
    send = getattr(metrics.get_meter_provider(), "force_flush", None)
    if send is None:
        return
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await asyncio.to_thread(send)
    except Exception as error:  # noqa: BLE001 - the SDK raises just that; no function fails by its figures
        logger.warning("figures are not sent yet: %s", type(error).__name__)

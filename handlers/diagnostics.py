"""Video Indexer's diagnostic log from an Event Hub: queue a job for each record of a finished indexing.

The function is registered only if the Event Hub is configured. The host advances its checkpoint even if a run fails,
and it never delivers a batch again. So records that cannot be read or queued go to a poison queue.
"""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Final, List  # noqa: UP035 - the worker takes no builtin generic

import azure.functions as func

from handlers.process import services, traceparent_of
from keywire import ids
from keywire.jobs import poison
from keywire.settings import LOG_CONNECTION, LOG_EVENT_HUB
from keywire.signals import indexing_log as log
from keywire.telemetry import instruments

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("diagnostics")
@blueprint.event_hub_message_trigger(
    "messages",
    LOG_CONNECTION,
    f"%{LOG_EVENT_HUB}%",
    data_type=func.DataType.BINARY,
    cardinality=func.Cardinality.MANY,
    consumer_group=services.settings.log_consumer_group,
)
async def diagnostics(messages: List[func.EventHubEvent], context: func.Context) -> None:  # noqa: UP006
    """Queue the jobs of a batch, and move failed records to the poison queue; raise if a record was lost."""
    received_at = datetime.now(UTC)
    readings = [
        reading
        for message in messages
        for reading in log.read_message(
            message.get_body(),
            account_id=services.settings.video_indexer.account_id,
            received_at=received_at,
            traceparent=traceparent_of(context),
            new_job_id=ids.new_job_id,
        )
    ]
    signals = [reading for reading in readings if isinstance(reading, log.Signal)]
    ignored = [reading for reading in readings if isinstance(reading, log.Ignored)]
    unreadable = [reading for reading in readings if isinstance(reading, log.FailedRecord)]
    unqueued = await _queue(signals)
    failed = unreadable + unqueued
    lost = await _send_to_poison(unreadable, "unreadable", received_at)
    lost += await _send_to_poison(unqueued, "unqueued", received_at)
    for outcome, count in (
        ("queued", len(signals) - len(unqueued)),
        ("ignored", len(ignored)),
        ("refused", len(unreadable)),
        ("failed", len(unqueued)),
    ):
        if count:
            instruments.signals.add(count, {"kind": "diagnostics", "outcome": outcome})
    reasons = Counter([*(each.reason for each in ignored), *(each.reason for each in failed)])
    logger.log(
        logging.WARNING if failed else logging.INFO,
        "diagnostics messages=%d records=%d queued=%d ignored=%d poison=%d lost=%d%s",
        len(messages),
        len(readings),
        len(signals) - len(unqueued),
        len(ignored),
        len(failed) - len(lost),
        len(lost),
        "".join(f"; {count} × {reason}" for reason, count in reasons.items()),
    )
    if lost:
        raise lost[0]


async def _queue(signals: list[log.Signal]) -> list[log.FailedRecord]:
    """Queue the jobs, and return the records whose jobs could not be queued."""
    # All at once: if storage fails slowly, one after another would take longer than functionTimeout.
    results = await asyncio.gather(
        *(services.job_queue.send(signal.job) for signal in signals), return_exceptions=True
    )
    return [
        log.FailedRecord(reason=f"the job could not be queued: {type(result).__name__}", body=signal.body)
        for signal, result in zip(signals, results, strict=True)
        if isinstance(result, BaseException)
    ]


async def _send_to_poison(
    records: list[log.FailedRecord], kind: str, received_at: datetime
) -> list[BaseException]:
    """Send records to the poison queue, and return an error for each that could not be sent."""
    queue = services.diagnostics_poison
    results = await asyncio.gather(
        *(
            queue.send(poison.from_body(record.body, record.reason, now=received_at, tries=1))
            for record in records
        ),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, BaseException)]
    if len(records) > len(lost):
        instruments.poison.add(len(records) - len(lost), {"queue": queue.name, "reason": kind})
    return lost

"""Video Indexer's own log, by an Event Hub: a job for each record of an indexing that finished.

Registered only where that Event Hub is configured. The host moves its checkpoint on whether a run fails or
not and never hands a batch out again: what can't be read and what can't be queued is put aside here.
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
    """Queue the jobs of a batch; raises what keeps it from putting aside what came to nothing."""
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
    refused = [reading for reading in readings if isinstance(reading, log.Refusal)]
    unqueued = await _queue(signals)
    refusals = refused + unqueued
    lost = await _put_aside(refused, "unreadable", received_at)
    lost += await _put_aside(unqueued, "unqueued", received_at)
    for outcome, count in (
        ("queued", len(signals) - len(unqueued)),
        ("ignored", len(ignored)),
        ("refused", len(refused)),
        ("failed", len(unqueued)),
    ):
        if count:
            instruments.signals.add(count, {"kind": "diagnostics", "outcome": outcome})
    reasons = Counter([*(each.reason for each in ignored), *(each.reason for each in refusals)])
    logger.log(
        logging.WARNING if refusals else logging.INFO,
        "diagnostics messages=%d records=%d queued=%d ignored=%d poison=%d lost=%d%s",
        len(messages),
        len(readings),
        len(signals) - len(unqueued),
        len(ignored),
        len(refusals) - len(lost),
        len(lost),
        "".join(f"; {count} × {reason}" for reason, count in reasons.items()),
    )
    if lost:
        raise lost[0]


async def _queue(signals: list[log.Signal]) -> list[log.Refusal]:
    """Queue the jobs; the records of those that could not be."""
    # All at once: where storage is slow to fail, one after another would outlast functionTimeout.
    results = await asyncio.gather(
        *(services.job_queue.send(signal.job) for signal in signals), return_exceptions=True
    )
    return [
        log.Refusal(reason=f"the job could not be queued: {type(result).__name__}", message=signal.record)
        for signal, result in zip(signals, results, strict=True)
        if isinstance(result, BaseException)
    ]


async def _put_aside(refusals: list[log.Refusal], kind: str, received_at: datetime) -> list[BaseException]:
    """Write to the poison queue; what went wrong with it."""
    queue = services.diagnostics_poison
    results = await asyncio.gather(
        *(
            queue.send(poison.from_body(refusal.message, refusal.reason, now=received_at, tries=1))
            for refusal in refusals
        ),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, BaseException)]
    if len(refusals) > len(lost):
        instruments.poison.add(len(refusals) - len(lost), {"queue": queue.name, "reason": kind})
    return lost

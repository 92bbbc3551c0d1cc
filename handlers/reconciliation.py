"""Reconciliation: a timer, every 15 minutes unless `RECONCILIATION_SCHEDULE` says otherwise."""

import os
from datetime import UTC, datetime
from typing import Final

import azure.functions as func

from handlers.process import services, traceparent_of
from keywire.telemetry import instruments

SCHEDULE: Final = os.environ.get("RECONCILIATION_SCHEDULE") or "0 */15 * * * *"

blueprint: Final = func.Blueprint()


@blueprint.function_name("reconciliation")
@blueprint.timer_trigger("timer", SCHEDULE)
async def reconciliation(timer: func.TimerRequest, context: func.Context) -> None:  # noqa: ARG001 - bound by name
    """Run the sweeps that are due; after an exception the next run continues."""
    try:
        await services.timers.reconciliation.reconcile(datetime.now(UTC), traceparent=traceparent_of(context))
    finally:
        await instruments.flush()

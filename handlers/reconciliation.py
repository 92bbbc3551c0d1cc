"""The timer of reconciliation: every quarter of an hour, unless the app setting says otherwise."""

import os
from datetime import UTC, datetime
from typing import Final

import azure.functions as func

from handlers.shared import services, traceparent_of
from keywire import telemetry

SCHEDULE: Final = os.environ.get("RECONCILIATION_SCHEDULE") or "0 */15 * * * *"

blueprint: Final = func.Blueprint()


@blueprint.function_name("reconciliation")
@blueprint.timer_trigger("timer", SCHEDULE)
async def reconcile(timer: func.TimerRequest, context: func.Context) -> None:  # noqa: ARG001 - bound by name
    """Do what is due; whatever is raised is noted, and gone on with the next time."""
    try:
        await services.reconciliation.run(datetime.now(UTC), traceparent=traceparent_of(context))
    finally:
        await telemetry.flush()

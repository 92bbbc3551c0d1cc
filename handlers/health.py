"""Health: a report for an operator, one word for a load balancer, and metrics every five minutes."""

import os
from typing import Final

import azure.functions as func
import msgspec

from handlers.process import services
from handlers.replies import reply
from keywire.telemetry import instruments

SCHEDULE: Final = os.environ.get("HEALTH_SCHEDULE") or "0 */5 * * * *"

blueprint: Final = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - bound by name
    """Reply with the report: 200, or 503 if a check failed."""
    report = await services.http.health.report()
    return reply(report.http_status, msgspec.to_builtins(report), {"Cache-Control": "no-store"})


@blueprint.function_name("healthz")
@blueprint.route("healthz", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def healthz(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - bound by name
    """Reply with one word: `ok`, `warning` or `failed`."""
    report = await services.http.health.report()
    return func.HttpResponse(
        f"{report.status}\n",
        status_code=report.http_status,
        headers={"Cache-Control": "no-store"},
        mimetype="text/plain",
    )


@blueprint.function_name("measure")
@blueprint.timer_trigger("timer", SCHEDULE)
async def measure(timer: func.TimerRequest) -> None:  # noqa: ARG001 - bound by name
    """Run every check and emit metrics; after an exception the next run does it again."""
    try:
        await services.timers.health.measure()
    finally:
        await instruments.flush()

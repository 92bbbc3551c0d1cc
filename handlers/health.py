"""How Keywire is: for an operator with the key, in one line for anybody, and as figures every few minutes."""

import os
from typing import Final

import azure.functions as func
import msgspec

from handlers.shared import answer, services
from keywire import telemetry

SCHEDULE: Final = os.environ.get("HEALTH_SCHEDULE") or "0 */5 * * * *"

blueprint: Final = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - bound by name
    """Answer with the report: 200, or 503 where videos don't get through."""
    report = await services.health.report()
    return answer(report.http_status, msgspec.to_builtins(report), {"Cache-Control": "no-store"})


@blueprint.function_name("healthz")
@blueprint.route("healthz", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def healthz(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - bound by name
    """Answer with one word: `ok`, `warning` or `failed`."""
    report = await services.health.report()
    return func.HttpResponse(
        f"{report.status}\n",
        status_code=report.http_status,
        headers={"Cache-Control": "no-store"},
        mimetype="text/plain",
    )


@blueprint.function_name("measure")
@blueprint.timer_trigger("timer", SCHEDULE)
async def measure(timer: func.TimerRequest) -> None:  # noqa: ARG001 - bound by name
    """Look, and emit figures; whatever is raised is looked at again the next time."""
    try:
        await services.health.measure()
    finally:
        await telemetry.flush()

"""Operations: what an operator asks of a running Keywire."""

import logging
import uuid
from typing import Final

import azure.functions as func
import msgspec

from handlers.shared import answer, services, traceparent_of
from keywire import rematch_orders
from keywire.settings import CONNECTION

logger: Final = logging.getLogger(__name__)
blueprint: Final = func.Blueprint()


@blueprint.function_name("start_rematch")
@blueprint.route("operations/rematch", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def start_rematch(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer 202 with the id by which its progress is asked for, or 400."""
    try:
        request = rematch_orders.read_request(req.get_body())
    except rematch_orders.InvalidRematchError as error:
        return answer(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    await services.rematch_pages.start(operation_id, request, traceparent_of(context))
    logger.info("rematch=%s dry_run=%s started", operation_id, request.dry_run)
    location = f"/api/operations/rematch/{operation_id}"
    return answer(
        202,
        {"operationId": operation_id, "dryRun": request.dry_run, "status": location},
        {"Location": location},
    )


@blueprint.function_name("rematch_status")
@blueprint.route("operations/rematch/{operation_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def rematch_status(req: func.HttpRequest) -> func.HttpResponse:
    """Answer 200 with how far it is, or 404."""
    operation_id = req.route_params["operation_id"]
    status = (
        await services.rematch_pages.status(operation_id)
        if rematch_orders.is_operation_id(operation_id)
        else None
    )
    if status is None:
        return answer(404, {"error": "there is no such rematch"})
    return answer(200, msgspec.to_builtins(status))


@blueprint.function_name("rematch")
@blueprint.queue_trigger("message", rematch_orders.QUEUE, CONNECTION)
async def rematch(message: func.QueueMessage) -> None:
    """Do a page; whatever is raised makes the host try again, and at last use the poison queue."""
    await services.rematch_pages.run(rematch_orders.read_page(message.get_body()))

"""Backfills: ordered by HTTP, done by the queue `backfill-pages`."""

import logging
import uuid
from typing import Final

import azure.functions as func
import msgspec

from handlers.shared import answer, services, traceparent_of, unless_storage_fails
from keywire.operations import backfill_orders, operation_ids
from keywire.settings import CONNECTION

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("start_backfill")
@blueprint.route("operations/backfill", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def start_backfill(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer 202 with the id by which its progress is asked for, or 400."""
    try:
        request = backfill_orders.read_request(req.get_body())
    except backfill_orders.InvalidBackfillError as error:
        return answer(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    await services.backfills.start(operation_id, request, traceparent_of(context))
    logger.info("backfill=%s dry_run=%s started", operation_id, request.dry_run)
    location = f"/api/operations/backfill/{operation_id}"
    return answer(
        202,
        {"operationId": operation_id, "dryRun": request.dry_run, "status": location},
        {"Location": location},
    )


@blueprint.function_name("backfill_status")
@blueprint.route("operations/backfill/{operation_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def backfill_status(req: func.HttpRequest) -> func.HttpResponse:
    """Answer 200 with how far it is, or 404."""
    operation_id = req.route_params["operation_id"]
    status = (
        await services.backfills.status(operation_id) if operation_ids.is_operation_id(operation_id) else None
    )
    if status is None:
        return answer(404, {"error": "there is no such backfill"})
    return answer(200, msgspec.to_builtins(status))


@blueprint.function_name("backfill_pages")
@blueprint.queue_trigger("message", backfill_orders.QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def do_page(message: func.QueueMessage) -> None:
    """Do a page; whatever is raised makes the host try again."""
    await services.backfill_pages.run(message.get_body(), tries=message.dequeue_count or 1)

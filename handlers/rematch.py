"""Rematch: an operator starts it by HTTP, its pages match stored documents with the current interests."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Final

import azure.functions as func
import msgspec

from handlers.process import services, traceparent_of
from handlers.replies import reply, unless_storage_fails
from keywire.ids import is_operation_id
from keywire.operations.rematch_orders import InvalidRematchError, read_request, status_of
from keywire.settings import CONNECTION
from keywire.storage.layout import REMATCH_QUEUE

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("start_rematch")
@blueprint.route("operations/rematch", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def start_rematch(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Reply 202 with the operation's id and the interests that it begins with, or 400."""
    try:
        request = read_request(req.get_body())
    except InvalidRematchError as error:
        return reply(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    started = await services.http.rematch_start.start(
        operation_id, request, now=datetime.now(UTC), traceparent=traceparent_of(context)
    )
    logger.info("rematch=%s dry_run=%s started", operation_id, request.dry_run)
    return reply(202, msgspec.to_builtins(started), {"Location": started.status})


@blueprint.function_name("rematch_status")
@blueprint.route("operations/rematch/{operation_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def rematch_status(req: func.HttpRequest) -> func.HttpResponse:
    """Reply 200 with the progress, or 404."""
    operation_id = req.route_params["operation_id"]
    found = await services.http.rematches.read(operation_id) if is_operation_id(operation_id) else None
    if found is None:
        return reply(404, {"error": "there is no such rematch"})
    return reply(200, msgspec.to_builtins(status_of(*found)))


@blueprint.function_name("rematch")
@blueprint.queue_trigger("message", REMATCH_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def rematch(message: func.QueueMessage) -> None:
    """Run a page; an exception makes the host deliver it again."""
    await services.work.rematch_worker.process(message.get_body(), tries=message.dequeue_count or 1)

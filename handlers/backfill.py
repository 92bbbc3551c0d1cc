"""Backfill: an operator starts it by HTTP, its pages list videos, its jobs wait on a queue of their own."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Final

import azure.functions as func
import msgspec

from handlers.process import services, traceparent_of
from handlers.replies import accepted, reply, unless_storage_fails
from keywire.ids import is_operation_id
from keywire.operations.backfill_orders import (
    BackfillPage,
    InvalidBackfillError,
    read_request,
    status_of,
)
from keywire.settings import CONNECTION
from keywire.storage.layout import BACKFILL_PAGES_QUEUE, BACKFILL_QUEUE

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("start_backfill")
@blueprint.route("operations/backfill", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def start_backfill(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Reply 202 with the operation's id, or 400."""
    try:
        request = read_request(req.get_body())
    except InvalidBackfillError as error:
        return reply(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    first = BackfillPage(
        operation_id=operation_id,
        request=request,
        traceparent=traceparent_of(context),
        ordered_at=datetime.now(UTC),
    )
    await services.http.backfills.start(first)
    logger.info("backfill=%s dry_run=%s started", operation_id, request.dry_run)
    return accepted("backfill", operation_id, dry_run=request.dry_run)


@blueprint.function_name("backfill_status")
@blueprint.route("operations/backfill/{operation_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def backfill_status(req: func.HttpRequest) -> func.HttpResponse:
    """Reply 200 with the progress, or 404."""
    operation_id = req.route_params["operation_id"]
    found = await services.http.backfills.read(operation_id) if is_operation_id(operation_id) else None
    if found is None:
        return reply(404, {"error": "there is no such backfill"})
    return reply(200, msgspec.to_builtins(status_of(*found)))


@blueprint.function_name("backfill_pages")
@blueprint.queue_trigger("message", BACKFILL_PAGES_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def backfill_pages(message: func.QueueMessage) -> None:
    """Run a page; an exception makes the host deliver it again."""
    await services.work.backfill_pages_worker.process(message.get_body(), tries=message.dequeue_count or 1)


@blueprint.function_name("backfill")
@blueprint.queue_trigger("message", BACKFILL_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def backfill(message: func.QueueMessage) -> None:
    """Run a job that no consumer is waiting for; an exception makes the host deliver it again."""
    await services.work.backfill_worker.process(message.get_body(), tries=message.dequeue_count or 1)

"""Operations: what an operator asks of a running Keywire."""

import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

import azure.functions as func
import msgspec

from handlers.shared import answer, services, traceparent_of, unless_storage_fails
from keywire import callback_urls
from keywire.operations import operation_ids, rematch_orders
from keywire.settings import CONNECTION

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("start_rematch")
@blueprint.route("operations/rematch", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def start_rematch(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer 202 with the id by which its progress is asked for, or 400."""
    try:
        request = rematch_orders.read_request(req.get_body())
    except rematch_orders.InvalidRematchError as error:
        return answer(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    await services.rematches.start(operation_id, request, traceparent_of(context))
    logger.info("rematch=%s dry_run=%s started", operation_id, request.dry_run)
    location = f"/api/operations/rematch/{operation_id}"
    return answer(
        202,
        {"operationId": operation_id, "dryRun": request.dry_run, "status": location},
        {"Location": location},
    )


@blueprint.function_name("rematch_status")
@blueprint.route("operations/rematch/{operation_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def rematch_status(req: func.HttpRequest) -> func.HttpResponse:
    """Answer 200 with how far it is, or 404."""
    operation_id = req.route_params["operation_id"]
    status = (
        await services.rematches.status(operation_id) if operation_ids.is_operation_id(operation_id) else None
    )
    if status is None:
        return answer(404, {"error": "there is no such rematch"})
    return answer(200, msgspec.to_builtins(status))


@blueprint.function_name("replay")
@blueprint.route("operations/replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def replay(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer 200 with what was, or would be, done, or 400."""
    from keywire.replay import InvalidReplayError, read_request  # noqa: PLC0415

    try:
        request = read_request(req.get_body())
    except InvalidReplayError as error:
        return answer(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    result = await services.replay.run(
        request, operation_id=operation_id, traceparent=traceparent_of(context)
    )
    return answer(200, {"operationId": operation_id, **msgspec.to_builtins(result)})


@blueprint.function_name("rematch")
@blueprint.queue_trigger("message", rematch_orders.QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def rematch(message: func.QueueMessage) -> None:
    """Do a page; whatever is raised makes the host try again."""
    await services.rematch_pages.run(message.get_body(), tries=message.dequeue_count or 1)


@blueprint.function_name("new_callback_url")
@blueprint.route("operations/callback-url", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def new_callback_url(req: func.HttpRequest) -> func.HttpResponse:
    """Answer 200 with an address for Video Indexer to call, 400, or 409 where no key is set."""
    settings = services.settings.callback
    if not settings.signing_keys:
        return answer(409, {"error": "callback URLs can't be signed: set CALLBACK_SIGNING_KEYS"})
    try:
        request = callback_urls.read_request(req.get_body())
        base_url = settings.base_url or callback_urls.origin_of(req.url)
    except callback_urls.InvalidRequestError as error:
        return answer(400, {"error": str(error)})
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=request.ttl)
    url = callback_urls.address(
        base_url, callback_urls.issue(settings.signing_keys, request.reference, expires_at)
    )
    expires = expires_at.isoformat().replace("+00:00", "Z")
    logger.info("callback URL made, expires=%s", expires)
    return answer(200, {"callbackUrl": url, "encoded": callback_urls.encoded(url), "expiresAt": expires})

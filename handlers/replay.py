"""Replay: run jobs again for videos that an operator names, or for what is on a poison queue."""

import uuid
from typing import Final

import azure.functions as func
import msgspec

from handlers.process import services, traceparent_of
from handlers.replies import reply, unless_storage_fails

blueprint: Final = func.Blueprint()


@blueprint.function_name("replay")
@blueprint.route("operations/replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@unless_storage_fails
async def replay(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Reply 200 with what was done, or would be done in a dry run, or 400."""
    # Its module loads what a callback does not need, and this module is loaded with the callback.
    from keywire.operations.replay import InvalidReplayError, read_request  # noqa: PLC0415

    try:
        request = read_request(req.get_body())
    except InvalidReplayError as error:
        return reply(400, {"error": str(error)})
    operation_id = uuid.uuid4().hex
    result = await services.http.replay.replay(
        request, operation_id=operation_id, traceparent=traceparent_of(context)
    )
    return reply(200, {"operationId": operation_id, **msgspec.to_builtins(result)})

"""Video Indexer's callback: queue one job, and reply. And the operator's request for a signed callback URL.

Video Indexer calls with the function key, or at a signed URL that expires and carries the uploader's
reference.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import azure.functions as func
import msgspec
from azure.core.exceptions import AzureError

from handlers.process import services, traceparent_of
from handlers.replies import reply, unavailable
from keywire.ids import new_job_id
from keywire.signals import callback_urls
from keywire.signals.callback import Ignored, InvalidCallbackError, read_callback
from keywire.telemetry import instruments, tracing

# How long Video Indexer waits is not documented; a caller never waits longer than 5 s.
REPLY_SECONDS: Final = 4.5

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("callback")
@blueprint.route("video-indexer/callback", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def callback(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Reply 202 if the job is queued, 200 if there is nothing to do, otherwise 400 or 503."""
    return await _queue_traced(req, context, reference=None)


@blueprint.function_name("signed_callback")
@blueprint.route(callback_urls.ROUTE, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def signed_callback(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Reply as `callback` does; 401 for an invalid token, 404 if no signing key is set."""
    keys = services.settings.callback.signing_keys
    if not keys:
        return reply(404, {"error": "signed callback URLs are not in use"})
    try:
        claims = callback_urls.verify(keys, req.route_params["token"], datetime.now(UTC))
    except callback_urls.InvalidTokenError as error:
        logger.warning("callback refused: %s", error)
        _count("refused")
        return reply(401, {"error": str(error)})
    return await _queue_traced(req, context, reference=claims.reference)


@blueprint.function_name("new_callback_url")
@blueprint.route("operations/callback-url", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def new_callback_url(req: func.HttpRequest) -> func.HttpResponse:
    """Reply 200 with a URL for Video Indexer to call, 400, or 409 if no signing key is set."""
    settings = services.settings.callback
    if not settings.signing_keys:
        return reply(409, {"error": "callback URLs can't be signed: set CALLBACK_SIGNING_KEYS"})
    try:
        request = callback_urls.read_request(req.get_body())
        base_url = settings.base_url or callback_urls.origin_of(req.url)
    except callback_urls.InvalidRequestError as error:
        return reply(400, {"error": str(error)})
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=request.ttl)
    url = callback_urls.callback_url(
        base_url, callback_urls.issue(settings.signing_keys, request.reference, expires_at)
    )
    expires = expires_at.isoformat().replace("+00:00", "Z")
    logger.info("callback URL issued, expires=%s", expires)
    return reply(
        200, {"callbackUrl": url, "encoded": callback_urls.percent_encode(url), "expiresAt": expires}
    )


async def _queue_traced(
    req: func.HttpRequest, context: func.Context, *, reference: str | None
) -> func.HttpResponse:
    with tracing.span("callback", traceparent=context.trace_context.trace_parent):
        return await _queue(req, tracing.current_traceparent() or traceparent_of(context), reference)


async def _queue(req: func.HttpRequest, traceparent: str, reference: str | None) -> func.HttpResponse:
    try:
        job = read_callback(
            req.params, job_id=new_job_id(), received_at=datetime.now(UTC), traceparent=traceparent
        )
    except InvalidCallbackError as error:
        logger.warning("callback refused: %s", error)
        _count("refused")
        return reply(400, {"error": str(error)})
    if isinstance(job, Ignored):
        logger.info("callback video=%s ignored: %s", job.video_id, job.reason)
        _count("ignored")
        return reply(200, {"status": "ignored", "reason": job.reason})
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            await services.job_queue.send(msgspec.structs.replace(job, reference=reference))
    except (AzureError, TimeoutError) as error:
        logger.error("callback video=%s not queued: %s", job.video_id, type(error).__name__)  # noqa: TRY400
        _count("failed")
        return unavailable("the job could not be queued")
    logger.info("callback video=%s job=%s queued", job.video_id, job.job_id)
    _count("queued")
    return reply(202, {"status": "queued", "videoId": job.video_id, "jobId": job.job_id})


def _count(outcome: str) -> None:
    instruments.signals.add(1, {"kind": "callback", "outcome": outcome})

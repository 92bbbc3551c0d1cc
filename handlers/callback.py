"""Video Indexer's callback: one job on the queue, and the answer.

It may call with the function key, or at a signed address that expires and says what the uploader calls the
video.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

import azure.functions as func
import msgspec
from azure.core.exceptions import AzureError

from handlers.shared import RETRY_AFTER_SECONDS, answer, services, traceparent_of
from keywire import callback_urls, jobs, signals, telemetry

# Video Indexer's patience is not documented; a caller never waits longer than 5 s.
ANSWER_SECONDS: Final = 4.5

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("callback")
@blueprint.route("video-indexer/callback", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def callback(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer 202 when the job is on the queue, 200 when there is nothing to do, 400 or 503 otherwise."""
    return await _queued(req, context, reference=None)


@blueprint.function_name("signed_callback")
@blueprint.route(callback_urls.ROUTE, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def signed_callback(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer as `callback` does; 401 for a token that opens nothing, 404 where none is in use."""
    keys = services.settings.callback.signing_keys
    if not keys:
        return answer(404, {"error": "signed callback URLs are not in use"})
    try:
        claims = callback_urls.verify(keys, req.route_params["token"], datetime.now(UTC))
    except callback_urls.InvalidTokenError as error:
        logger.warning("callback refused: %s", error)
        _count("refused")
        return answer(401, {"error": str(error)})
    return await _queued(req, context, reference=claims.reference)


async def _queued(
    req: func.HttpRequest, context: func.Context, *, reference: str | None
) -> func.HttpResponse:
    with telemetry.span("callback", traceparent=context.trace_context.trace_parent):
        return await _queue(req, telemetry.current_traceparent() or traceparent_of(context), reference)


async def _queue(req: func.HttpRequest, traceparent: str, reference: str | None) -> func.HttpResponse:
    try:
        job = signals.read_callback(
            req.params, job_id=jobs.new_job_id(), received_at=datetime.now(UTC), traceparent=traceparent
        )
    except signals.InvalidCallbackError as error:
        logger.warning("callback refused: %s", error)
        _count("refused")
        return answer(400, {"error": str(error)})
    if isinstance(job, signals.Ignored):
        logger.info("callback video=%s ignored: %s", job.video_id, job.reason)
        _count("ignored")
        return answer(200, {"status": "ignored", "reason": job.reason})
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await services.job_queue.send(msgspec.structs.replace(job, reference=reference))
    except (AzureError, TimeoutError) as error:
        logger.error("callback video=%s not queued: %s", job.video_id, type(error).__name__)  # noqa: TRY400
        _count("failed")
        return answer(
            503, {"error": "the job could not be queued"}, {"Retry-After": str(RETRY_AFTER_SECONDS)}
        )
    logger.info("callback video=%s job=%s queued", job.video_id, job.job_id)
    _count("queued")
    return answer(202, {"status": "queued", "videoId": job.video_id, "jobId": job.job_id})


def _count(outcome: str) -> None:
    telemetry.signals.add(1, {"kind": "callback", "outcome": outcome})

"""HTTP replies: JSON, and 503 while storage is unavailable."""

import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import azure.functions as func
from azure.core.exceptions import AzureError

RETRY_AFTER_SECONDS: Final = 30

logger: Final = logging.getLogger(f"keywire.{__name__}")


def reply(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return a JSON reply."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, headers=headers, mimetype="application/json"
    )


def unavailable(problem: str) -> func.HttpResponse:
    """Return a 503 that asks the caller to retry."""
    return reply(503, {"error": problem}, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def accepted(operation: str, operation_id: str, *, dry_run: bool) -> func.HttpResponse:
    """Return the 202 for an operation that was started, with the location of its status."""
    location = f"/api/operations/{operation}/{operation_id}"
    return reply(
        202,
        {"operationId": operation_id, "dryRun": dry_run, "status": location},
        {"Location": location},
    )


def unless_storage_fails[**P](
    handler: Callable[P, Awaitable[func.HttpResponse]],
) -> Callable[P, Awaitable[func.HttpResponse]]:
    """Make `handler` reply 503 if storage fails; the caller can safely retry."""

    @functools.wraps(handler)
    async def replying(*args: P.args, **kwargs: P.kwargs) -> func.HttpResponse:
        try:
            return await handler(*args, **kwargs)
        except AzureError as error:
            logger.error("%s failed: %s", handler.__name__, type(error).__name__)  # noqa: TRY400
            return unavailable("storage can't be reached")

    return replying

"""What the handlers of one process share: telemetry and services, made at the first import; how they answer.

A missing setting ends the start of the app with its name, not an invocation hours later.
"""

import functools
import json
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import azure.functions as func
from azure.core.exceptions import AzureError

from keywire import otlp
from keywire.services import Services
from keywire.settings import Settings

if otlp.is_wanted(os.environ):
    otlp.configure(os.environ)

RETRY_AFTER_SECONDS: Final = 30

logger: Final = logging.getLogger(f"keywire.{__name__}")
services: Final = Services(Settings.from_environment(os.environ))


def answer(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """A JSON answer."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, headers=headers, mimetype="application/json"
    )


def unless_storage_fails[**P](
    handler: Callable[P, Awaitable[func.HttpResponse]],
) -> Callable[P, Awaitable[func.HttpResponse]]:
    """The handler, answering 503 where storage can't be reached; asking again is harmless."""

    @functools.wraps(handler)
    async def answering(*args: P.args, **kwargs: P.kwargs) -> func.HttpResponse:
        try:
            return await handler(*args, **kwargs)
        except AzureError as error:
            logger.error("%s failed: %s", handler.__name__, type(error).__name__)  # noqa: TRY400
            return answer(
                503, {"error": "storage can't be reached"}, {"Retry-After": str(RETRY_AFTER_SECONDS)}
            )

    return answering


def traceparent_of(context: func.Context) -> str:
    """W3C trace context of an invocation; a new one, sampled, from a host that gives none."""
    given: str | None = context.trace_context.trace_parent
    return given or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

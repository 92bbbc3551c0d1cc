"""What the handlers of one process share: telemetry and services, made at the first import; how they answer.

A missing setting ends the start of the app with its name, not an invocation hours later.
"""

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any, Final

import azure.functions as func

from keywire import otlp
from keywire.services import Services
from keywire.settings import Settings

if otlp.is_wanted(os.environ):
    otlp.configure(os.environ)

services: Final = Services(Settings.from_environment(os.environ))


def answer(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """A JSON answer."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, headers=headers, mimetype="application/json"
    )


def traceparent_of(context: func.Context) -> str:
    """W3C trace context of an invocation; a new one, sampled, from a host that gives none."""
    given: str | None = context.trace_context.trace_parent
    return given or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

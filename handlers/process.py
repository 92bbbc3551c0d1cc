"""What the handlers of one process share: telemetry and services, created when the first handler is imported.

A missing or malformed setting stops the app at its start, with the setting's name, instead of failing an
invocation hours later.
"""

import os
import secrets
from typing import Final

import azure.functions as func

from keywire.services.services import Services
from keywire.settings import Settings
from keywire.telemetry import otlp

if otlp.is_wanted(os.environ):
    otlp.configure(os.environ)

services: Final = Services(Settings.from_environment(os.environ))


def traceparent_of(context: func.Context) -> str:
    """Return an invocation's W3C trace context; a new, sampled one if the host passes none."""
    given: str | None = context.trace_context.trace_parent
    return given or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

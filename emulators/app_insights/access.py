"""Whom ingestion lets in: tokens of Microsoft Entra only, for Azure Monitor, of one identity."""

from typing import Final

from starlette.requests import Request

from emulators import entra_tokens
from emulators.app_insights.errors import IngestionError
from emulators.framework.clock import Clock

# The SDK asks for the scope https://monitor.azure.com//.default: the audience ends with one slash.
AUDIENCES: Final = frozenset({"https://monitor.azure.com", "https://monitor.azure.com/"})


def check(request: Request, client_id: str | None, clock: Clock) -> None:
    """Let the request pass, or raise an IngestionError. A `client_id` of None lets any identity in."""
    written = entra_tokens.bearer_token(request)
    if written is None:
        raise IngestionError(401, "Local authentication is disabled: the request has no bearer token.")
    try:
        token = entra_tokens.read(written)
    except ValueError as error:
        raise IngestionError(401, "The access token is invalid.") from error
    if not token.is_for(AUDIENCES) or token.ends <= clock():
        raise IngestionError(401, "The access token is for something else, or has expired.")
    if not token.is_of(client_id, None):
        raise IngestionError(403, "The identity lacks the role Monitoring Metrics Publisher.")

"""Who may publish: an identity with the role EventGrid Data Sender, and nobody with a key.

The topic is as `infra` makes it, with local authentication switched off. A token's signature is NOT
checked: no Entra tenant stands behind the emulator.
"""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from emulators import entra_tokens
from emulators.event_grid.config import TopicConfig
from emulators.event_grid.errors import TopicError
from emulators.framework.clock import Clock

AUDIENCES: Final = frozenset({"https://eventgrid.azure.net", "https://eventgrid.azure.net/"})
_KEY_HEADERS: Final = ("aeg-sas-key", "aeg-sas-token")


@dataclass(frozen=True, slots=True)
class Access:
    """The checks of one topic."""

    config: TopicConfig
    clock: Clock

    def check(self, request: Request) -> None:
        """Let the request pass, or raise a TopicError."""
        written = entra_tokens.bearer_token(request)
        if written is None:
            if any(header in request.headers for header in _KEY_HEADERS):
                raise TopicError(401, "Local authentication is disabled for this topic: use Microsoft Entra.")
            raise TopicError(401, "The request has no authorization: neither a token nor a key.")
        try:
            token = entra_tokens.read(written)
        except ValueError as error:
            raise TopicError(401, "The access token is invalid.") from error
        if not token.is_for(AUDIENCES):
            raise TopicError(401, f"The access token is for the audience '{token.audience}'.")
        if token.ends <= self.clock():
            raise TopicError(401, "The access token has expired.")
        if not token.is_of(self.config.client_id, self.config.object_id):
            raise TopicError(
                403,
                f"The principal '{token.object_id}' of the application '{token.client_id}' is not authorized "
                f"to send data to the topic '{self.config.name}': it lacks the action "
                "'Microsoft.EventGrid/events/send/action'.",
            )

"""Entra ID's access tokens as a service reads them, except that nobody checks the signature.

No tenant stands behind the local stack, so what is checked is what a misconfigured client gets wrong: for
whom the token is, when it ends, and whose it is. Separate from the refusals, which every service words in
its own way.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class EntraToken:
    """What a token claims.

    Attributes:
        audience: A name or a list of names, as the token has it.
        ends: In Unix seconds.
        client_id: The application's id, or None.
        object_id: The identity's id in its tenant, or None.
    """

    audience: Any
    ends: float
    client_id: str | None
    object_id: str | None

    def is_for(self, audiences: Collection[str]) -> bool:
        """Whether it is for one of `audiences`."""
        named = self.audience if isinstance(self.audience, list) else [self.audience]
        return any(audience in audiences for audience in named)

    def is_of(self, client_id: str | None, object_id: str | None) -> bool:
        """Whether it is this identity's; None stands for any."""
        return client_id in (None, self.client_id) and object_id in (None, self.object_id)


def bearer_token(request: Request) -> str | None:
    """The token in the Authorization header; None where the header speaks of something else."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.casefold() == "bearer" else None


def read(token: str) -> EntraToken:
    """What `token` claims; ValueError where it is no JWT with an end."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        ends = float(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, TypeError) as error:
        raise ValueError("This is no access token.") from error
    return EntraToken(claims.get("aud"), ends, claims.get("appid") or claims.get("azp"), claims.get("oid"))

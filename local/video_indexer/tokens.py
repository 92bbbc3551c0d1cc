"""Video Indexer's own access tokens: JWTs that Resource Manager hands out and the data plane checks.

Separate from ARM tokens, which only buy these. The signing key lives as long as the process, so tokens of
an earlier run are refused as the real service refuses garbage. The claims are the ones known from real
tokens, plus `Scope`.
"""

import secrets
import uuid
from dataclasses import dataclass
from typing import Final, Literal

import jwt

from local.clock import Clock
from local.video_indexer.errors import ServiceError

type Permission = Literal["Contributor", "Reader", "RestrictedViewer"]
type Scope = Literal["Account", "Video", "Project"]

_ISSUER: Final = "https://api.videoindexer.ai/"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows; `video_id` confines it to one video or project."""

    account_id: str
    permission: Permission
    scope: Scope = "Account"
    video_id: str | None = None


class TokenIssuer:
    """Issues and reads the tokens of one emulator."""

    def __init__(self, lifetime_seconds: int, clock: Clock) -> None:
        self._key = secrets.token_bytes(32)
        self._lifetime = lifetime_seconds
        self._clock = clock

    def issue(self, grant: Grant) -> str:
        """A token for `grant`. Its end is told nowhere but in `exp`, as in the real service."""
        now = int(self._clock())
        claims = {
            "Version": "2.0.0.0",
            "AccountId": grant.account_id,
            "AccountType": "Arm",
            "Permission": grant.permission,
            "Scope": grant.scope,
            "VideoId": grant.video_id,
            "nbf": now,
            "exp": now + self._lifetime,
            "iss": _ISSUER,
            "aud": _ISSUER,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str) -> Grant:
        """What `token` grants; ServiceError 401 for one that is forged or has ended."""
        try:
            # Dates are compared below, with the emulator's clock: a test moves that one.
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=_ISSUER,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise ServiceError(
                401, "ACCESS_TOKEN_VALIDATION_FAILED", "Access token validation failed."
            ) from error
        if claims["exp"] <= self._clock():
            raise ServiceError(401, "ACCESS_TOKEN_EXPIRED", "Access token has expired.")
        return Grant(claims["AccountId"], claims["Permission"], claims["Scope"], claims["VideoId"])

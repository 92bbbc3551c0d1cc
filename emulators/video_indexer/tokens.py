"""Video Indexer's own access tokens: JWTs that Resource Manager hands out and the data plane checks.

Separate from ARM tokens, which only buy these. The signing key lives as long as the process, so tokens of
an earlier run are refused as the real service refuses garbage. The claims are the ones known from real
tokens, plus `Scope`.
"""

import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt

from emulators.framework.clock import Clock
from emulators.video_indexer.errors import ServiceError

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
        self._expired_keys: list[bytes] = []
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

    def expire(self) -> None:
        """Let every token end that was issued so far, whatever its `exp` says."""
        self._expired_keys.append(self._key)
        self._key = secrets.token_bytes(32)

    def read(self, token: str) -> Grant:
        """What `token` grants; ServiceError 401 for one that is forged or has ended."""
        claims = _claims(token, self._key)
        if claims is None and not any(_claims(token, key) for key in self._expired_keys):
            raise ServiceError(401, "ACCESS_TOKEN_VALIDATION_FAILED", "Access token validation failed.")
        if claims is None or claims["exp"] <= self._clock():
            raise ServiceError(401, "ACCESS_TOKEN_EXPIRED", "Access token has expired.")
        return Grant(claims["AccountId"], claims["Permission"], claims["Scope"], claims["VideoId"])


def _claims(token: str, key: bytes) -> dict[str, Any] | None:
    """What a token says that was signed with `key`; None for any other."""
    try:
        # Dates are compared elsewhere, with the emulator's clock: a test moves that one.
        return jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience=_ISSUER,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        return None

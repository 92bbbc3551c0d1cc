"""Access tokens for an account, from Azure Resource Manager.

`generateAccessToken` returns a JWT that lives about an hour; only its `exp` claim says how long. The token is cached
and renewed early, with one request however many callers wait. Its scope is the account, because a token per video would
cost a request per video. Its permission is Reader, or restricted viewer. The latter comes from an operation of its own,
so a role can allow reading and nothing else.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httpx
import msgspec
from azure.core.exceptions import AzureError, ClientAuthenticationError

from keywire.video_indexer import grants, requests
from keywire.video_indexer.errors import MisconfiguredError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

API_VERSION: Final = "2024-01-01"
RENEW_BEFORE_SECONDS: Final = 300.0

logger: Final = logging.getLogger(__name__)


class _Answer(msgspec.Struct, rename="camel"):
    access_token: str


class _Claims(msgspec.Struct):
    exp: float


class AccessTokens:
    """The account's current access token.

    Args:
        http: Sends the requests to Azure Resource Manager.
        credential: The identity; it needs the action `Microsoft.VideoIndexer/accounts/generateAccessToken/action`.
        endpoint: Azure Resource Manager's base URL.
        audience: The audience of the credential's token.
        resource_id: The account's ARM resource id.
        restricted: Request a restricted viewer's token instead of a reader's.
        clock: The time in Unix seconds.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        credential: "AsyncTokenCredential",
        *,
        endpoint: str,
        audience: str,
        resource_id: str,
        restricted: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._credential = credential
        self._scope = f"{audience}/.default"
        self._resource_id = resource_id
        self._operation = "generateRestrictedViewerAccessToken" if restricted else "generateAccessToken"
        self._url = f"{endpoint}{resource_id}/{self._operation}"
        self._request_body = {"scope": "Account"} | ({} if restricted else {"permissionType": "Reader"})
        self._clock = clock
        self._renewal: asyncio.Task[None] | None = None
        self._token = ""
        self._renew_at = 0.0

    async def get(self, *, refused: str | None = None) -> str:
        """Return the token; renew it first if it is old.

        Args:
            refused: A token that the service refused: it is renewed unless another caller did that meanwhile.

        Raises:
            VideoIndexerError: Azure Resource Manager returned no token, or the app has no identity.
        """
        if not self.is_cached(refused):
            await self._join_renewal()
        return self._token

    def is_cached(self, refused: str | None = None) -> bool:
        """Return whether `get` would return without a request."""
        return self._token not in {"", refused} and self._clock() < self._renew_at

    async def _join_renewal(self) -> None:
        """Wait for the renewal that is under way, or start one. All callers get its outcome."""
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._clear_renewal)
        # Shielded: if one caller is cancelled, the renewal goes on for the others.
        await asyncio.shield(self._renewal)

    def _clear_renewal(self, renewal: asyncio.Task[None]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            # Its callers got the exception; without this asyncio logs it if all of them were cancelled.
            renewal.exception()

    async def _renew(self) -> None:
        management = await self._management_token()
        try:
            response = await requests.send(
                self._http,
                self._operation,
                "POST",
                self._url,
                token=management,
                params={"api-version": API_VERSION},
                json=self._request_body,
                service="resource-manager",
            )
        except MisconfiguredError as error:
            raise grants.explain_refused_operation(
                error, operation=self._operation, resource_id=self._resource_id, token=management
            ) from None
        try:
            token = msgspec.json.decode(response.content, type=_Answer).access_token
            expires_at = read_expiry(token)
        except ValueError as error:
            raise TransientError(
                f"{self._operation} returned no readable token", status=response.status_code
            ) from error
        self._token = token
        # A token that lives shorter than twice the margin is renewed after half of its life.
        life = max(0.0, expires_at - self._clock())
        self._renew_at = expires_at - min(RENEW_BEFORE_SECONDS, life / 2)
        logger.info("access token renewed, valid for %.0f s", life)

    async def _management_token(self) -> str:
        try:
            return (await self._credential.get_token(self._scope)).token
        except ClientAuthenticationError as error:
            raise grants.explain_missing_identity(error) from error
        except AzureError as error:
            raise TransientError(f"this app's identity got no token: {type(error).__name__}") from error


def read_expiry(token: str) -> float:
    """Return the `exp` claim of a JWT in Unix seconds. The signature is not checked; the service does that.

    Raises:
        ValueError: The token is not a JWT, or it has no `exp`.
    """
    _, payload, _ = token.split(".")
    return msgspec.json.decode(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims
    ).exp

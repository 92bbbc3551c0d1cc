"""Access tokens for an account, from Azure Resource Manager.

`generateAccessToken` answers with a JWT that lives about an hour and carries its expiry only inside,
so the token is cached by its `exp` claim and renewed early. However many callers wait, one renews.
Scope is the account: a token for one video would cost a request per video. Permission is Reader, or that of
a restricted viewer, which another operation sells: only so can a role tell reading from everything else.
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
        http: The client to ask Azure Resource Manager with.
        credential: Who asks; needs the action `Microsoft.VideoIndexer/accounts/generateAccessToken/action`.
        endpoint: Azure Resource Manager's base URL.
        audience: For whom the credential's token is.
        resource_id: The account's ARM resource id.
        restricted: Ask for a restricted viewer's token, not for a reader's.
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
        self._wanted = {"scope": "Account"} | ({} if restricted else {"permissionType": "Reader"})
        self._clock = clock
        self._renewal: asyncio.Task[None] | None = None
        self._token = ""
        self._renew_at = 0.0

    async def get(self, *, refused: str | None = None) -> str:
        """The token to send.

        Args:
            refused: A token that the service just refused: it is renewed unless somebody did that meanwhile.

        Raises:
            VideoIndexerError: Azure Resource Manager gave none, or there is no identity to ask with.
        """
        if not self.is_good(refused):
            await self._renewed()
        return self._token

    def is_good(self, refused: str | None = None) -> bool:
        """Whether `get` would answer without a request."""
        return self._token not in {"", refused} and self._clock() < self._renew_at

    async def _renewed(self) -> None:
        """Wait for the renewal under way, or for a new one; all that wait share how it ends."""
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._forget)
        # Shielded: one job's end is no reason to let the others down.
        await asyncio.shield(self._renewal)

    def _forget(self, renewal: asyncio.Task[None]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # it was told to whoever waited, if anybody still did

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
                json=self._wanted,
                service="resource-manager",
            )
        except MisconfiguredError as error:
            raise grants.refused(
                error, operation=self._operation, resource_id=self._resource_id, token=management
            ) from None
        try:
            token = msgspec.json.decode(response.content, type=_Answer).access_token
            expires_at = read_expiry(token)
        except ValueError as error:
            raise TransientError(
                f"{self._operation} gave no readable token", status=response.status_code
            ) from error
        self._token = token
        # Half the life is left to a token that lives shorter than the margin.
        life = max(0.0, expires_at - self._clock())
        self._renew_at = expires_at - min(RENEW_BEFORE_SECONDS, life / 2)
        logger.info("access token renewed, good for %.0f s", life)

    async def _management_token(self) -> str:
        try:
            return (await self._credential.get_token(self._scope)).token
        except ClientAuthenticationError as error:
            raise grants.without_identity(error) from error
        except AzureError as error:
            raise TransientError(f"no token of this app's identity: {type(error).__name__}") from error


def read_expiry(token: str) -> float:
    """The `exp` claim of a JWT, in Unix seconds. The signature is the service's business.

    Raises:
        ValueError: It is no JWT or has no `exp`.
    """
    _, payload, _ = token.split(".")
    return msgspec.json.decode(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims
    ).exp

"""Questions about an account's videos; above all Get Video Index, asked for keywords only.

`includedInsights=Keywords` and no streaming URLs or summary: a twentieth of the whole answer, and
without faces, transcript or view token.
"""

import copy
import time
from collections.abc import Mapping
from typing import Final, Self

import httpx

from keywire.video_indexer import grants, requests
from keywire.video_indexer.errors import MisconfiguredError, ThrottledError, VideoIndexerError
from keywire.video_indexer.gate import Gate, OpenGate
from keywire.video_indexer.quota_ledger import Lane
from keywire.video_indexer.service_time import ServiceTime
from keywire.video_indexer.tokens import AccessTokens

# What only an operator can mend is asked about again after so long, by whoever comes first.
MISCONFIGURED_SECONDS: Final = 60.0

_KEYWORDS_ONLY: Final = {
    "includedInsights": "Keywords",
    "includeSummarizedInsights": "false",
    "includeStreamingUrls": "false",
}


class VideoIndexerClient:
    """Asks one account about its videos.

    Args:
        http: The client to ask with; shared and never closed here.
        tokens: Where the account's access token comes from.
        endpoint: The data plane's base URL, `https://api.videoindexer.ai` in public Azure.
        location: The account's Azure region.
        account_id: The account's GUID (not its ARM name).
        language: Translate the insights to this language; None leaves them as they were spoken.
        gate: Where each request waits for its turn.

    Attributes:
        time: What time it is at the service.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: AccessTokens,
        *,
        endpoint: str,
        location: str,
        account_id: str,
        language: str | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._http = http
        self._location = location
        self._account_id = account_id
        self._gate = gate or OpenGate()
        self._lane: Lane = "live"
        self.time: Final = ServiceTime()
        self._tokens = tokens
        self._videos = f"{endpoint}/{location}/Accounts/{account_id}/Videos"
        self._params = _KEYWORDS_ONLY | ({"language": language} if language else {})

    def in_lane(self, lane: Lane) -> Self:
        """The same client, whose requests wait in another lane."""
        other = copy.copy(self)
        other._lane = lane  # noqa: SLF001
        return other

    async def get_index(self, video_id: str) -> bytes:
        """The index of a video as JSON, whatever its state.

        Raises:
            VideoIndexerError: See `keywire.video_indexer.errors`.
        """
        return await self.get("GetVideoIndex", f"/{video_id}/Index", self._params)

    async def get(self, operation: str, path: str, params: Mapping[str, str]) -> bytes:
        """The answer to a question about the account's videos, its path beginning where theirs ends.

        Raises:
            VideoIndexerError: See `keywire.video_indexer.errors`.
        """
        token = await self._token()
        try:
            return await self._send(operation, path, params, token)
        except VideoIndexerError as error:
            if error.status != 401:
                raise
        # Tokens can be revoked before they expire; a second refusal is not the token's fault.
        token = await self._token(refused=token)
        try:
            return await self._send(operation, path, params, token)
        except MisconfiguredError as error:
            if error.status != 401:
                raise
            told = grants.refused_by_account(error, account_id=self._account_id, location=self._location)
            await self._stop(told)
            raise told from None

    async def _token(self, refused: str | None = None) -> str:
        if not self._tokens.is_good(refused):
            # The gate counts no requests to Resource Manager; but while nobody may ask, nobody asks there.
            await self._gate.check()
        try:
            return await self._tokens.get(refused=refused)
        except (ThrottledError, MisconfiguredError) as error:
            await self._stop(error)
            raise

    async def _stop(self, error: ThrottledError | MisconfiguredError) -> None:
        """Let nobody ask for a while, in whichever process."""
        if isinstance(error, ThrottledError):
            await self._gate.trip(time.time() + error.retry_after)
        else:
            await self._gate.trip(time.time() + MISCONFIGURED_SECONDS, because=str(error))

    async def _send(self, operation: str, path: str, params: Mapping[str, str], token: str) -> bytes:
        url = f"{self._videos}{path}"
        await self._gate.wait(self._lane)
        try:
            response = await requests.send(self._http, operation, "GET", url, token=token, params=params)
        except ThrottledError as error:
            await self._stop(error)
            raise
        except MisconfiguredError as error:
            # A token may be old and a video forbidden; an account that is not there is so for all.
            if error.status not in {401, 403}:
                await self._stop(error)
            raise
        self.time.note(response.headers.get("Date"))
        return response.content

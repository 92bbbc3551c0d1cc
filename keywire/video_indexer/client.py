"""The client for Video Indexer's API: Get Video Index, and GET requests to the account's videos.

An index is requested with keywords only, without streaming URLs and summary. That is a twentieth of the whole answer,
and it has no faces, no transcript and no view token.
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

# After a misconfiguration one request of all processes is sent per this time, to find out if it is corrected.
MISCONFIGURED_SECONDS: Final = 60.0

_KEYWORDS_ONLY: Final = {
    "includedInsights": "Keywords",
    "includeSummarizedInsights": "false",
    "includeStreamingUrls": "false",
}


class VideoIndexerClient:
    """Read access to the videos of one account.

    Args:
        http: Sends the requests; shared and never closed here.
        tokens: The account's access token.
        endpoint: The data plane's base URL, `https://api.videoindexer.ai` in public Azure.
        location: The account's Azure region.
        account_id: The account's GUID (not its ARM name).
        language: Video Indexer translates the insights to this language; None leaves them as they were spoken.
        gate: Each request waits here for its slot.

    Attributes:
        time: The service's clock.
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
        """Return this client with another lane for its requests."""
        other = copy.copy(self)
        other._lane = lane  # noqa: SLF001
        return other

    async def get_index(self, video_id: str) -> bytes:
        """Return the index of a video in any state, as JSON.

        Raises:
            VideoIndexerError: See `keywire.video_indexer.errors`.
        """
        return await self.get("GetVideoIndex", f"/{video_id}/Index", self._params)

    async def get(self, operation: str, path: str, params: Mapping[str, str]) -> bytes:
        """Send a GET request and return the body of its answer.

        Args:
            operation: The API operation's name, for logs and metrics.
            path: The path after `.../Videos`.
            params: The query.

        Raises:
            VideoIndexerError: See `keywire.video_indexer.errors`.
        """
        token = await self._token()
        try:
            return await self._send(operation, path, params, token)
        except VideoIndexerError as error:
            if error.status != 401:
                raise
        # A token can be revoked before it expires. If a new one is refused as well, the token is not the cause.
        token = await self._token(refused=token)
        try:
            return await self._send(operation, path, params, token)
        except MisconfiguredError as error:
            if error.status != 401:
                raise
            explained = grants.explain_refused_token(
                error, account_id=self._account_id, location=self._location
            )
            await self._trip_gate(explained)
            raise explained from None

    async def _token(self, refused: str | None = None) -> str:
        if not self._tokens.is_cached(refused):
            # Requests to Resource Manager take no slot, but a tripped gate stops them too.
            await self._gate.check()
        try:
            return await self._tokens.get(refused=refused)
        except (ThrottledError, MisconfiguredError) as error:
            await self._trip_gate(error)
            raise

    async def _trip_gate(self, error: ThrottledError | MisconfiguredError) -> None:
        """Stop the requests of all processes for the time that the error asks for."""
        if isinstance(error, ThrottledError):
            await self._gate.trip(time.time() + error.retry_after)
        else:
            await self._gate.trip(time.time() + MISCONFIGURED_SECONDS, reason=str(error))

    async def _send(self, operation: str, path: str, params: Mapping[str, str], token: str) -> bytes:
        url = f"{self._videos}{path}"
        await self._gate.wait(self._lane)
        try:
            response = await requests.send(self._http, operation, "GET", url, token=token, params=params)
        except ThrottledError as error:
            await self._trip_gate(error)
            raise
        except MisconfiguredError as error:
            # A 401 or 403 may concern this token or this video only; a missing account concerns every request.
            if error.status not in {401, 403}:
                await self._trip_gate(error)
            raise

        self.time.observe(response.headers.get("Date"))
        return response.content

"""Questions about an account's videos; above all Get Video Index, asked for keywords only.

`includedInsights=Keywords` and no streaming URLs or summary: a twentieth of the whole answer, and
without faces, transcript or view token.
"""

import copy
import time
from collections.abc import Mapping
from typing import Final, Self

import httpx

from keywire.quota_slices import Lane
from keywire.video_indexer import requests
from keywire.video_indexer.errors import ThrottledError, VideoIndexerError
from keywire.video_indexer.gate import Gate, OpenGate
from keywire.video_indexer.tokens import AccessTokens

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
        self._gate = gate or OpenGate()
        self._lane: Lane = "live"
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
        token = await self._tokens.get()
        try:
            return await self._send(operation, path, params, token)
        except VideoIndexerError as error:
            if error.status != 401:
                raise
        # Tokens can be revoked before they expire; a second refusal is not the token's fault.
        return await self._send(operation, path, params, await self._tokens.get(refused=token))

    async def _send(self, operation: str, path: str, params: Mapping[str, str], token: str) -> bytes:
        url = f"{self._videos}{path}"
        await self._gate.wait(self._lane)
        try:
            response = await requests.send(self._http, operation, "GET", url, token=token, params=params)
        except ThrottledError as error:
            await self._gate.note_throttled(time.time() + error.retry_after)
            raise
        return response.content

"""Get Video Index, asked for keywords only.

`includedInsights=Keywords` and no streaming URLs or summary: a twentieth of the whole answer, and
without faces, transcript or view token.
"""

from typing import Final

import httpx

from keywire.video_indexer import requests
from keywire.video_indexer.errors import VideoIndexerError
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
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._videos = f"{endpoint}/{location}/Accounts/{account_id}/Videos"
        self._params = _KEYWORDS_ONLY | ({"language": language} if language else {})

    async def get_index(self, video_id: str) -> bytes:
        """The index of a video as JSON, whatever its state.

        Raises:
            VideoIndexerError: See `keywire.video_indexer.errors`.
        """
        token = await self._tokens.get()
        try:
            return await self._get_index(video_id, token)
        except VideoIndexerError as error:
            if error.status != 401:
                raise
        # Tokens can be revoked before they expire; a second refusal is not the token's fault.
        return await self._get_index(video_id, await self._tokens.get(refused=token))

    async def _get_index(self, video_id: str, token: str) -> bytes:
        url = f"{self._videos}/{video_id}/Index"
        response = await requests.send(
            self._http, "GetVideoIndex", "GET", url, token=token, params=self._params
        )
        return response.content

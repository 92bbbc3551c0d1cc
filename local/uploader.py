"""A client of Video Indexer as an uploader writes it: upload with a callback URL, re-index, delete.

It is what a user of Keywire has on their side, so it uses the public API only and keeps its rules: the
callback URL is percent-encoded once, a name has at most 80 characters, 429 is waited out, a token that has
ended is replaced.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from local.storage import OperatorCredential

MAX_NAME: Final = 80
API_VERSION: Final = "2024-01-01"
ATTEMPTS: Final = 20


@dataclass
class Uploader:
    """Uploads to one account.

    Attributes:
        http: A client that trusts the service.
        endpoint: Of the data plane and of Azure Resource Manager: one address in the local stack.
        resource_id: The account's ARM resource id.
        location: Its region.
        account_id: Its GUID.
    """

    http: httpx.AsyncClient
    endpoint: str
    resource_id: str
    location: str
    account_id: str
    _token: str = field(default="", init=False)

    async def upload(self, name: str, media: bytes, callback_url: str | None) -> str:
        """Upload a video as a multipart file; the id that the service gives it."""
        told = {"callbackUrl": callback_url} if callback_url else {}
        response = await self._send(
            "POST",
            "",
            params={"name": name[:MAX_NAME], "privacy": "Private"} | told,
            files={"file": ("video", media, "application/octet-stream")},
        )
        return str(response.json()["id"])

    async def reindex(self, video_id: str, callback_url: str | None) -> None:
        """Have a video indexed again."""
        told = {"callbackUrl": callback_url} if callback_url else {}
        await self._send("PUT", f"/{video_id}/ReIndex", params=told)

    async def delete(self, video_id: str) -> None:
        """Remove a video."""
        await self._send("DELETE", f"/{video_id}")

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        if not self._token:
            self._token = await self._new_token()
        url = f"{self.endpoint}/{self.location}/Accounts/{self.account_id}/Videos{path}"
        for _ in range(ATTEMPTS):
            used = self._token
            response = await self.http.request(
                method, url, headers={"Authorization": f"Bearer {used}"}, **request
            )
            if response.status_code == 401 and self._token == used:
                self._token = await self._new_token()
            elif response.status_code == 429:
                await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
            elif response.status_code != 401:
                break
        response.raise_for_status()
        return response

    async def _new_token(self) -> str:
        signed_in = await OperatorCredential().get_token("https://management.azure.com/.default")
        response = await self.http.post(
            f"{self.endpoint}{self.resource_id}/generateAccessToken",
            params={"api-version": API_VERSION},
            headers={"Authorization": f"Bearer {signed_in.token}"},
            json={"permissionType": "Contributor", "scope": "Account"},
        )
        response.raise_for_status()
        return str(response.json()["accessToken"])

"""An emulator without a socket and without waiting, for tests of it and of clients.

Separate from the emulator, which knows nothing of it: it is driven through its public face, with a clock
that stands still until a test moves it, and callbacks that end in a list.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import jwt

from emulators.framework import in_process
from emulators.framework.in_process import TURNS, ManualClock
from emulators.video_indexer.app import create_app
from emulators.video_indexer.config import EmulatorConfig


class InProcessEmulator:
    """An emulator and a client of it. Indexing takes no time unless `settings` say otherwise."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.sent: list[httpx.Request] = []
        self.world: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(202)
        example: dict[str, Any] = {
            "account_id": "6f9619ff-8b86-4d11-b42d-00cf4fc964ff",
            "account_name": "contoso-video",
            "subscription_id": "9d5e3a1c-4f3c-4b34-9f5e-6a1c2b7d8e90",
            "resource_group": "rg-video",
            "location": "westeurope",
            "indexing_seconds": 0.0,
        }
        self.config = EmulatorConfig(**(example | settings))
        app = create_app(
            self.config,
            transport=httpx.MockTransport(self._receive),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://emulator.test")
        self.videos = f"/{self.config.location}/Accounts/{self.config.account_id}/Videos"

    def arm_token(self, **claims: Any) -> str:
        """A token for ARM that is good for an hour, unless `claims` say otherwise."""
        usual = {"aud": "https://management.azure.com", "exp": self.clock() + 3600}
        return jwt.encode(usual | claims, b"nobody checks this signature....", algorithm="HS256")

    async def arm(self, operation: str, body: Any, *, version: str = "2024-01-01") -> httpx.Response:
        """Call an operation of ARM that sells tokens."""
        return await self.client.post(
            f"{self.config.resource_id}/{operation}",
            params={"api-version": version},
            headers={"Authorization": f"Bearer {self.arm_token()}"},
            json=body,
        )

    async def authorize(self, permission: str = "Contributor", **confined: str) -> None:
        """Buy a token and send it with every request from now on."""
        wanted = {"permissionType": permission, "scope": "Account"} | confined
        answer = await self.arm("generateAccessToken", wanted)
        self.client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['accessToken']}"

    async def upload(self, media: bytes, **parameters: str) -> str:
        """Upload `media` with the rights of a contributor; the id of the new video."""
        if "Authorization" not in self.client.headers:
            await self.authorize()
        query = {"name": "A video"} | parameters
        answer = await self.client.post(self.videos, params=query, files={"file": media})
        return str(answer.raise_for_status().json()["id"])

    async def get_index(self, video_id: str, **parameters: str) -> httpx.Response:
        """Call Get Video Index."""
        return await self.client.get(f"{self.videos}/{video_id}/Index", params=parameters)

    async def audit(self, video_id: str) -> dict[str, Any]:
        """What the control plane says about a video."""
        entries = (await self.client.get("/emulator/videos")).json()
        return next(entry for entry in entries if entry["id"] == video_id)

    async def reaches(self, happened: Callable[[], bool]) -> None:
        """Let the emulator work until something has happened; TimeoutError where it never does."""
        await in_process.reaches(happened)

    async def indexed(self, video_id: str, *, times: int = 1) -> dict[str, Any]:
        """Let the emulator work until a video has been indexed so often; its entry in the audit."""
        for _ in range(TURNS):
            entry = await self.audit(video_id)
            if entry["indexings"] >= times:
                return entry
            await asyncio.sleep(0)
        raise TimeoutError(f"The video {video_id} was not indexed.")

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return self.world(request)

"""Video Indexer's emulator in the test's process, with Keywire's client of it."""

import asyncio
import json
from typing import Any, Self

import httpx
from azure.core.credentials import AccessToken

from emulators.video_indexer.in_process import InProcessEmulator
from keywire.video_indexer.client import VideoIndexerClient
from keywire.video_indexer.gate import Gate
from keywire.video_indexer.tokens import AccessTokens
from tests.support.builders import index, keyword

ENDPOINT = "https://emulator.test"


class Identity:
    """An identity whose tokens the emulator accepts."""

    def __init__(self, emulator: InProcessEmulator) -> None:
        self._emulator = emulator
        self.scopes: list[str] = []
        self.claims: dict[str, str] = {}
        self.issued: list[str] = []
        self.failure: Exception | None = None

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        await asyncio.sleep(0)  # as over a network: other tasks run meanwhile
        if self.failure:
            raise self.failure
        self.issued.append(self._emulator.arm_token(**self.claims))
        return AccessToken(self.issued[-1], int(self._emulator.clock()) + 3600)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


class Service:
    """The emulator, a client of it, and the requests between them."""

    def __init__(self, *, gate: Gate | None = None, restricted: bool = False, **settings: Any) -> None:
        self.emulator = InProcessEmulator(**settings)
        self.identity = Identity(self.emulator)
        self.requests: list[httpx.Request] = []
        transport = self.emulator.client._transport
        http = httpx.AsyncClient(transport=transport, event_hooks={"request": [self._note]})
        self.tokens = AccessTokens(
            http,
            self.identity,
            endpoint=ENDPOINT,
            audience="https://management.azure.com",
            resource_id=self.emulator.config.resource_id,
            restricted=restricted,
            clock=self.emulator.clock,
        )
        self.client = VideoIndexerClient(
            http,
            self.tokens,
            endpoint=ENDPOINT,
            location=self.emulator.config.location,
            account_id=self.emulator.config.account_id,
            gate=gate,
        )

    async def _note(self, request: httpx.Request) -> None:
        self.requests.append(request)

    def count(self, path: str) -> int:
        return sum(request.url.path.endswith(path) for request in self.requests)

    async def fault(self, **fault: Any) -> None:
        answer = await self.emulator.client.post("/emulator/faults", json=fault)
        answer.raise_for_status()

    async def processed_video(self) -> str:
        body = json.loads(index([keyword("office insider")]))
        body["videos"][0]["insights"]["transcript"] = [{"id": 1, "text": "what was said"}]
        video_id = await self.emulator.upload(json.dumps(body).encode())
        await self.emulator.indexed(video_id)
        return video_id

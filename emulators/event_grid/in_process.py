"""A topic without a socket and without waiting, for tests of it.

Separate from the emulator, which knows nothing of it: it is driven through its public face, with a clock
that stands still until a test moves it, subscribers that are a function, and dead letters in a dictionary.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import jwt

from emulators.event_grid.app import PATH, create_app
from emulators.event_grid.config import TopicConfig
from emulators.event_grid.dead_letters import DeadLetterError
from emulators.framework import in_process
from emulators.framework.in_process import ManualClock


class DictDeadLetters:
    """Dead letters by the names of their blobs."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}
        self.is_available = True
        self.is_broken = False

    async def write(self, name: str, body: bytes) -> None:
        """See `DeadLetters`."""
        if self.is_broken:
            raise DeadLetterError("broken")
        self.written[name] = json.loads(body)


class InProcessTopic:
    """A topic and a publisher of it. Subscribers agree to everything unless `world` says otherwise."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.letters = DictDeadLetters()
        self.sent: list[httpx.Request] = []
        self.handshakes: list[httpx.Request] = []
        self.agree: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(
            200, headers={"WebHook-Allowed-Origin": "*"}
        )
        self.world: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(204)
        app = create_app(
            TopicConfig(**settings),
            dead_letters=self.letters,
            transport=httpx.MockTransport(self._receive),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://topic.test")

    def token(self, **claims: Any) -> str:
        """A token for Event Grid that is good for an hour, unless `claims` say otherwise."""
        usual = {"aud": "https://eventgrid.azure.net", "exp": self.clock() + 3600}
        return jwt.encode(usual | claims, b"nobody checks this signature....", algorithm="HS256")

    async def publish(self, *events: Any, **changed: Any) -> httpx.Response:
        """Publish a batch; `changed` are other arguments of the request than the usual ones."""
        usual = {
            "params": {"api-version": "2018-01-01"},
            "headers": {
                "Authorization": f"Bearer {self.token()}",
                "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
            },
            "content": json.dumps(events),
        }
        return await self.client.post(PATH, **(usual | changed))

    async def subscribe(self, name: str = "news", **wanted: Any) -> httpx.Response:
        """Subscribe a webhook, by default to everything."""
        subscription = {"endpoint": "https://subscriber.test/hook"} | wanted
        return await self.client.put(f"/emulator/subscriptions/{name}", json=subscription)

    async def audit(self, name: str = "news") -> dict[str, Any]:
        """What the control plane says about a subscription."""
        entries = (await self.client.get("/emulator/subscriptions")).json()
        return next(entry for entry in entries if entry["name"] == name)

    async def reaches(self, happened: Callable[[], bool]) -> None:
        """Let the topic work until something has happened; TimeoutError where it never does."""
        await in_process.reaches(happened)

    def _receive(self, request: httpx.Request) -> httpx.Response:
        if request.method == "OPTIONS":
            self.handshakes.append(request)
            return self.agree(request)
        self.sent.append(request)
        return self.world(request)

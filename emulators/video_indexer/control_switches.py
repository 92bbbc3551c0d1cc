"""Controls of the emulator as a whole: its limits, its pace, the faults to come, and what it has counted.

Separate from the controls of single videos.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.framework.control import Body, parsed, route
from emulators.framework.exact_json import answer
from emulators.video_indexer.config import EmulatorConfig
from emulators.video_indexer.faults import Fault
from emulators.video_indexer.gateway import Gateway
from emulators.video_indexer.indexing import Indexing
from emulators.video_indexer.tokens import TokenIssuer

type _Limit = Annotated[int, msgspec.Meta(ge=1)]


class _Limits(Body):
    requests_per_second: _Limit | msgspec.UnsetType | None = msgspec.UNSET
    requests_per_minute: _Limit | msgspec.UnsetType | None = msgspec.UNSET


class _Settings(Body):
    indexing_seconds: Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Switches:
    """The operations; each raises a ControlError where it does not answer."""

    config: EmulatorConfig
    gateway: Gateway
    indexing: Indexing
    tokens: TokenIssuer

    def routes(self) -> list[Route]:
        """Where the operations are."""
        return [
            route("GET", "/health", self.health),
            route("GET", "/requests", self.count_requests),
            route("DELETE", "/requests", self.forget_requests),
            route("PUT", "/limits", self.set_limits),
            route("PUT", "/settings", self.set_settings),
            route("GET", "/faults", self.list_faults),
            route("POST", "/faults", self.add_faults),
            route("DELETE", "/faults", self.forget_faults),
            route("GET", "/faults/happened", self.list_happened),
            route("POST", "/tokens/expire", self.expire_tokens),
        ]

    async def health(self, _: Request) -> Response:
        """Say that the emulator is up, which account it plays, and how many indexings or callbacks go on."""
        config = self.config
        return answer(
            {
                "status": "ok",
                "accountId": config.account_id,
                "location": config.location,
                "resourceId": config.resource_id,
                "indexing": self.indexing.running,
            }
        )

    async def count_requests(self, _: Request) -> Response:
        """Show how often each operation gave which status (or `reset`, `truncate`)."""
        return answer({name: dict(counts) for name, counts in self.gateway.counts.items()})

    async def forget_requests(self, _: Request) -> Response:
        """Count from zero."""
        self.gateway.counts.clear()
        return Response(status_code=204)

    async def set_limits(self, request: Request) -> Response:
        """Set the rate limits; null switches one off, what is not named stays."""
        limits, limit = parsed(await request.body(), _Limits), self.gateway.limit
        if limits.requests_per_second is not msgspec.UNSET:
            limit.per_second = limits.requests_per_second
        if limits.requests_per_minute is not msgspec.UNSET:
            limit.per_minute = limits.requests_per_minute
        return answer({"requestsPerSecond": limit.per_second, "requestsPerMinute": limit.per_minute})

    async def set_settings(self, request: Request) -> Response:
        """Set how long the next indexings take."""
        self.indexing.seconds = parsed(await request.body(), _Settings).indexing_seconds
        return answer({"indexingSeconds": self.indexing.seconds})

    async def list_faults(self, _: Request) -> Response:
        """Show the faults that have not happened yet; `count` is what is left."""
        entries = self.gateway.faults.pending
        return answer([msgspec.structs.replace(entry.fault, count=entry.remaining) for entry in entries])

    async def add_faults(self, request: Request) -> Response:
        """Take one fault or a list of them."""
        text = (await request.body()).strip()
        for fault in parsed(text if text.startswith(b"[") else b"[" + text + b"]", list[Fault]):
            self.gateway.faults.add(fault)
        return Response(status_code=204)

    async def forget_faults(self, _: Request) -> Response:
        """Let everything go well again."""
        self.gateway.faults.clear()
        return Response(status_code=204)

    async def list_happened(self, _: Request) -> Response:
        """Show the faults that have happened, forgotten ones too; `count` is how often."""
        happened = self.gateway.faults.happened
        return answer([msgspec.structs.replace(fault, count=count) for fault, count in happened])

    async def expire_tokens(self, _: Request) -> Response:
        """Let every access token end that was issued so far."""
        self.tokens.expire()
        return Response(status_code=204)

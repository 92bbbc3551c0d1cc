"""The subscriber of the Event Grid topic: a webhook that keeps every delivery as it came."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.framework.servers import serve


class Subscriber:
    """Agrees to be subscribed, and takes everything."""

    def __init__(self) -> None:
        self.delivered: list[bytes] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen; the webhook's address."""
        app = Starlette(
            routes=[
                Route("/events", self._agree, methods=["OPTIONS"]),
                Route("/events", self._take, methods=["POST"]),
            ]
        )
        async with serve(app) as url:
            yield f"{url}/events"

    async def _agree(self, request: Request) -> Response:
        return Response(headers={"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]})

    async def _take(self, request: Request) -> Response:
        self.delivered.append(await request.body())
        return Response()

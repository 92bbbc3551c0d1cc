"""How the topic is put together: one application for publishing and the controls."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from emulators.event_grid.access import Access
from emulators.event_grid.config import TopicConfig
from emulators.event_grid.controls import Controls
from emulators.event_grid.dead_letters import BlobDeadLetters, DeadLetters
from emulators.event_grid.deliveries import RESPONSE_SECONDS, Deliveries
from emulators.event_grid.errors import TopicError
from emulators.event_grid.subscriptions import Subscriptions
from emulators.event_grid.topic import Topic
from emulators.framework.clock import Clock, Sleep
from emulators.framework.control import ControlError
from emulators.framework.outbound import Outbound

PATH: Final = "/api/events"


def create_app(
    config: TopicConfig,
    *,
    dead_letters: DeadLetters | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
) -> Starlette:
    """An emulator of the topic in `config`.

    `dead_letters` is where they go; without, to the blob container that the control plane is told.
    `transport` carries what is sent to subscribers. `clock` (Unix seconds) rules tokens and times; `sleep`
    is how a retry and a hanging answer wait.
    """
    outbound = Outbound(transport, RESPONSE_SECONDS)
    letters = dead_letters or BlobDeadLetters(outbound)
    deliveries = Deliveries(config.name, outbound, letters, clock, sleep)
    topic = Topic(Access(config, clock), Subscriptions(outbound, letters), deliveries, clock, sleep)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await deliveries.stop()
        await outbound.close()

    app = Starlette(
        routes=[
            Route(PATH, topic.publish, methods=["POST"]),
            Mount("/emulator", routes=Controls(topic, letters).routes()),
        ],
        exception_handlers={HTTPException: _unknown_operation},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # the service does not repair a client's addresses
    return app


async def _unknown_operation(request: Request, error: Exception) -> Response:
    """Answer as whoever stands at this address does for what it does not know."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = ControlError if request.url.path.startswith("/emulator") else TopicError
    return kind(status, "There is no such operation.").response(str(uuid.uuid4()))

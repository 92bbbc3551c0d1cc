"""How the emulator is put together: one application for Resource Manager, the data plane and the controls.

The three share a host here and have hosts of their own in reality; their paths do not collide.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from emulators.framework.clock import Clock, Sleep
from emulators.framework.control import ControlError
from emulators.framework.faults import FaultList
from emulators.framework.outbound import Outbound
from emulators.video_indexer.access import Access
from emulators.video_indexer.arm import Arm
from emulators.video_indexer.callbacks import Callbacks
from emulators.video_indexer.config import EmulatorConfig
from emulators.video_indexer.control_switches import Switches
from emulators.video_indexer.control_videos import VideoControls
from emulators.video_indexer.errors import ArmError, GatewayError, Plane
from emulators.video_indexer.faults import Fault
from emulators.video_indexer.gateway import Gateway, Operation
from emulators.video_indexer.indexing import Indexing
from emulators.video_indexer.library import Library
from emulators.video_indexer.limits import RateLimit
from emulators.video_indexer.operations import OperationName
from emulators.video_indexer.tokens import TokenIssuer
from emulators.video_indexer.videos import Videos

if TYPE_CHECKING:
    from emulators.framework.refusals import Refusal

_VIDEOS: Final = "/{location}/Accounts/{account_id}/Videos"


def create_app(
    config: EmulatorConfig,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
) -> Starlette:
    """An emulator of the account in `config`.

    `transport` carries callbacks and fetches of media. `clock` (Unix seconds) rules tokens, limits and
    times; `sleep` is how an indexing and a hanging answer wait.
    """
    limit = RateLimit(config.requests_per_second, config.requests_per_minute, clock)
    gateway = Gateway(limit, FaultList[Fault](), sleep)
    outbound = Outbound(transport)
    library = Library(config.seed, clock)
    tokens = TokenIssuer(config.token_lifetime_seconds, clock)
    callbacks = Callbacks(outbound, gateway.faults, clock, sleep)
    indexing = Indexing(config.indexing_seconds, callbacks, clock, sleep)
    access = Access(config.location, config.account_id, tokens)
    controls = [
        *Switches(config, gateway, indexing, tokens).routes(),
        *VideoControls(library, callbacks).routes(),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await indexing.stop()
        await outbound.close()

    app = Starlette(
        routes=[
            Mount("/emulator", routes=controls),
            *_arm_routes(gateway, Arm(config, tokens, library, clock)),
            *_data_routes(gateway, Videos(access, library, indexing, outbound, clock)),
        ],
        exception_handlers={HTTPException: _unknown_operation},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # the service does not repair a client's addresses
    return app


def _arm_routes(gateway: Gateway, arm: Arm) -> list[Route]:
    account = "/subscriptions/{account:path}"
    table: list[tuple[str, str, OperationName, Operation]] = [
        ("POST", "/generateAccessToken", "GenerateAccessToken", arm.generate_access_token),
        (
            "POST",
            "/generateRestrictedViewerAccessToken",
            "GenerateRestrictedViewerAccessToken",
            arm.generate_restricted_viewer_access_token,
        ),
        ("GET", "", "GetAccount", arm.get_account),
    ]
    return [_route(gateway, "arm", method, account + path, name, run) for method, path, name, run in table]


def _data_routes(gateway: Gateway, videos: Videos) -> list[Route]:
    table: list[tuple[str, str, OperationName, Operation]] = [
        ("POST", "", "UploadVideo", videos.upload),
        ("GET", "", "ListVideos", videos.list_videos),
        ("GET", "/Search", "SearchVideos", videos.search),
        ("GET", "/GetIdByExternalId", "GetVideoIdByExternalId", videos.id_by_external_id),
        ("GET", "/{video_id}/Index", "GetVideoIndex", videos.get_index),
        ("PUT", "/{video_id}/ReIndex", "ReIndexVideo", videos.re_index),
        ("DELETE", "/{video_id}", "DeleteVideo", videos.delete),
    ]
    return [_route(gateway, "data", method, _VIDEOS + path, name, run) for method, path, name, run in table]


def _route(
    gateway: Gateway, plane: Plane, method: str, path: str, name: OperationName, operation: Operation
) -> Route:
    async def endpoint(request: Request) -> Response:
        return await gateway.run(request, name, plane, operation)

    return Route(path, endpoint, methods=[method])


async def _unknown_operation(request: Request, error: Exception) -> Response:
    """Answer as whoever stands at this address does for what it does not know."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    refusal: Refusal
    if request.url.path.startswith("/subscriptions"):
        refusal = ArmError(status, "InvalidResource", "There is no such operation.")
    elif request.url.path.startswith("/emulator"):
        refusal = ControlError(status, "There is no such operation.")
    else:
        refusal = GatewayError(status, "Resource not found")
    response = refusal.response("")
    response.headers["x-ms-request-id"] = str(uuid.uuid4())
    return response

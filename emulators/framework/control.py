"""An emulator's own control plane under `/emulator/`: how it is spoken to.

Separate from everything that imitates the service: no token, no limit, no fault and no counting here.
What it can do is the emulator's own: `video_indexer.control_videos` for instance.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.framework.refusals import Refusal

type ControlOperation = Callable[[Request], Awaitable[Response]]


class ControlError(Refusal):
    """The control plane did not do what it was asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "", message)

    def body(self, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - nothing is traced here
        """Say it in one word and one sentence."""
        return {"error": self.message}


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A body in which a mistyped name is an error instead of a setting that does nothing."""


def parsed[T](body: bytes, kind: type[T]) -> T:
    """The body, where an absent one is an empty object; ControlError 400 for what does not fit."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise ControlError(400, str(error)) from error


def route(method: str, path: str, operation: ControlOperation) -> Route:
    """The route of one operation below `/emulator`."""

    async def endpoint(request: Request) -> Response:
        try:
            return await operation(request)
        except ControlError as error:
            return error.response("")

    return Route(path, endpoint, methods=[method])

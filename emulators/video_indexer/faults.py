"""Faults on request: what should go wrong with the next requests or callbacks, and how often.

Separate, because a fault is no property of an operation: the list of them is asked before any of them runs.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emulators.framework.clock import Sleep
from emulators.framework.interruptions import BrokenResponse, hang
from emulators.video_indexer.errors import Plane, ServiceError, refusal_of
from emulators.video_indexer.operations import OperationName

type Kind = Literal[
    "status",
    "hang",
    "late",
    "reset",
    "truncate",
    "garble",
    "unfiltered",
    "expired-token",
    "in-progress",
    "not-json",
    "drop",
    "double",
    "delay",
]

_CALLBACK_KINDS = frozenset({"drop", "double", "delay"})


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """One thing to go wrong, `count` times. `operation` is an operation's name, `*` or `Callback`."""

    operation: OperationName | Literal["*", "Callback"]
    kind: Kind
    video_id: str | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    error_type: str | None = None
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 30
    count: Annotated[int, msgspec.Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        """Refuse a fault that could never apply."""
        if (self.operation == "Callback") != (self.kind in _CALLBACK_KINDS):
            raise ValueError(f"The kind {self.kind} does not fit the operation {self.operation}.")

    def matches(self, operation: str, video_id: str | None) -> bool:
        """Whether a request is meant; `*` means every operation, but no callback."""
        if self.operation != operation and (self.operation != "*" or operation == "Callback"):
            return False
        return self.video_id is None or self.video_id == video_id


async def apply(
    fault: Fault,
    plane: Plane,
    operation: Callable[[Request], Awaitable[Response]],
    request: Request,
    sleep: Sleep,
) -> Response:
    """What the client gets instead of the answer of `operation`, or what is left of that answer."""
    match fault.kind:
        case "hang":
            await hang(fault.seconds, sleep, request.receive)
            raise refusal_of(plane, 504, fault.error_type, fault.retry_after)
        case "late":
            answer = await operation(request)  # what is true now, and perhaps no longer when it arrives
            await hang(fault.seconds, sleep, request.receive)
            return answer
        case "expired-token":
            kind = "ExpiredAuthenticationToken" if plane == "arm" else "ACCESS_TOKEN_EXPIRED"
            raise refusal_of(plane, 401, kind, fault.retry_after)
        case "in-progress":
            raise ServiceError(400, "VIDEO_INDEXING_IN_PROGRESS", "Video is still being indexed.")
        case "not-json":
            return Response("<html><body>An intermediary speaks.</body></html>", media_type="text/html")
        case "reset":
            return BrokenResponse(None)
        case "truncate":
            return BrokenResponse(await operation(request))
        case "garble":
            return _garbled(await operation(request))
        case "unfiltered":
            return await operation(_without_query(request))
        case _:
            raise refusal_of(plane, fault.status, fault.error_type, fault.retry_after)


def _without_query(request: Request) -> Request:
    """The request as a service sees it that ignores what it was asked to leave out."""
    return Request({**request.scope, "query_string": b""}, request.receive)


def _garbled(answer: Response) -> Response:
    body = bytes(answer.body)
    if not body:
        return answer
    middle = len(body) // 2
    broken = body[:middle] + b"\xff\x00" + body[middle + 2 :]
    return Response(broken, answer.status_code, media_type=answer.headers.get("content-type"))

"""Faults on request: what should go wrong with the next requests or callbacks, and how often.

Separate, because a fault is no property of an operation: the list is asked before any of them runs. Faults
apply in the order in which they were set, each to the next `count` requests that it matches.

`truncate` and `reset` end the connection itself. ASGI has no word for that, so they use uvicorn's
transport, which hangs on the `receive` callable; where there is no connection (httpx's ASGI transport) the
client gets the exception that it would get from a real one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.video_indexer.clock import Sleep
from local.video_indexer.errors import Plane, ServiceError, refusal_of
from local.video_indexer.operations import OperationName

type Kind = Literal[
    "status",
    "hang",
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


@dataclass(slots=True)
class Pending:
    """A fault and how often it is still to happen."""

    fault: Fault
    remaining: int


class FaultList:
    """The faults that have not yet happened."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []

    def add(self, fault: Fault) -> None:
        """Put `fault` behind the others."""
        self.pending.append(Pending(fault, fault.count))

    def clear(self) -> None:
        """Forget them all."""
        self.pending.clear()

    def take(self, operation: str, video_id: str | None) -> Fault | None:
        """The fault that this request meets, used up by one."""
        for entry in self.pending:
            if entry.fault.matches(operation, video_id):
                entry.remaining -= 1
                if entry.remaining <= 0:
                    self.pending.remove(entry)
                return entry.fault
        return None


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
            await _hang(fault.seconds, sleep, request.receive)
            raise refusal_of(plane, 504, fault.error_type, fault.retry_after)
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


class BrokenResponse(Response):
    """Half of an answer, or none of it; then the connection ends. `outcome` is how it is counted."""

    def __init__(self, answer: Response | None) -> None:
        super().__init__(status_code=200 if answer is None else answer.status_code)
        self.raw_headers = [] if answer is None else answer.raw_headers  # the length is that of the whole
        self.outcome = "reset" if answer is None else "truncate"
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send what is to be sent and break off."""
        if self._answer is not None:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            body = bytes(self._answer.body)
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a complete response.")
        if self._answer is None:
            transport.abort()
        else:
            transport.close()  # what was written goes out first
        await _client_has_gone(receive)


def _without_query(request: Request) -> Request:
    """The request as a service sees it that ignores what it was asked to leave out."""
    return Request({**request.scope, "query_string": b""}, request.receive)


async def _hang(seconds: float, sleep: Sleep, receive: Receive) -> None:
    # Nobody is kept waiting for a client that has given up: a server could not shut down.
    ends = [asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(_client_has_gone(receive))]
    _, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in pending:
        end.cancel()


async def _client_has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _garbled(answer: Response) -> Response:
    body = bytes(answer.body)
    if not body:
        return answer
    middle = len(body) // 2
    broken = body[:middle] + b"\xff\x00" + body[middle + 2 :]
    return Response(broken, answer.status_code, media_type=answer.headers.get("content-type"))

"""Faults on request: what should go wrong with the next requests to publish.

Separate from what subscribers do wrong, which they do themselves.
"""

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emulators.event_grid.errors import TopicError
from emulators.framework.clock import Sleep
from emulators.framework.interruptions import BrokenResponse, hang


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """One thing to go wrong, `count` times."""

    kind: Literal["status", "hang", "reset"]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 30
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


async def apply(fault: Fault, request: Request, sleep: Sleep) -> Response:
    """What the publisher gets instead of an answer; nothing is taken."""
    if fault.kind == "reset":
        return BrokenResponse(None)
    status = fault.status
    if fault.kind == "hang":
        await hang(fault.seconds, sleep, request.receive)
        status = 504
    raise TopicError(status, "The request could not be served.", fault.retry_after)

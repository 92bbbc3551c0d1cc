"""What every request passes before an operation sees it: an id, the rate limit, the faults, the counting.

Separate, because it is the same for all operations and stands, in the real service too, in front of them.
The limit comes first: a request that it refuses meets no fault. ARM has limits of its own, not emulated.
"""

import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from emulators.framework.clock import Sleep
from emulators.framework.faults import FaultList
from emulators.framework.interruptions import BrokenResponse
from emulators.framework.refusals import Refusal
from emulators.video_indexer import faults
from emulators.video_indexer.errors import Plane
from emulators.video_indexer.faults import Fault
from emulators.video_indexer.limits import RateLimit
from emulators.video_indexer.operations import OperationName

type Operation = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Gateway:
    """Runs operations and remembers how often each gave which status."""

    limit: RateLimit
    faults: FaultList[Fault]
    sleep: Sleep
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    async def run(
        self, request: Request, name: OperationName, plane: Plane, operation: Operation
    ) -> Response:
        """The answer to `request`: that of `operation`, a refusal, or a fault."""
        request_id = str(uuid.uuid4())
        video_id = request.path_params.get("video_id")
        fault = None
        try:
            if plane == "data":
                self.limit.admit()
            fault = self.faults.take(lambda each: each.matches(name, video_id))
            if fault is None:
                response = await operation(request)
            else:
                response = await faults.apply(fault, plane, operation, request, self.sleep)
        except Refusal as refusal:
            response = refusal.response(request_id)
        response.headers["x-ms-request-id"] = request_id
        outcome = response.outcome if isinstance(response, BrokenResponse) else str(response.status_code)
        self.counts[name][outcome] += 1
        _log.info(
            "answered operation=%s video=%r outcome=%s fault=%s request=%s",
            name,
            video_id,
            outcome,
            fault and fault.kind,
            request_id,
        )
        return response

"""The topic: takes events, all of a request or none, and hands them on.

The service answers before anything is delivered, and so does this.
"""

import logging
import uuid
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from emulators.event_grid import cloud_events, faults
from emulators.event_grid.access import Access
from emulators.event_grid.deliveries import Deliveries
from emulators.event_grid.errors import TopicError
from emulators.event_grid.faults import Fault
from emulators.event_grid.subscriptions import Subscriptions
from emulators.framework.clock import Clock, Sleep
from emulators.framework.exact_json import JsonObject
from emulators.framework.faults import FaultList
from emulators.framework.refusals import Refusal

API_VERSION: Final = "2018-01-01"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Topic:
    """The data plane. `received` is what came since it was last forgotten; `forgotten` counts the rest."""

    access: Access
    subscriptions: Subscriptions
    deliveries: Deliveries
    clock: Clock
    sleep: Sleep
    faults: FaultList[Fault] = field(default_factory=FaultList[Fault])
    received: list[JsonObject] = field(default_factory=list)
    forgotten: int = 0

    async def publish(self, request: Request) -> Response:
        """Take the events in `request`, or say why not."""
        request_id = str(uuid.uuid4())
        fault = self.faults.take(lambda _: True)
        try:
            if fault is not None:
                response = await faults.apply(fault, request, self.sleep)
            else:
                self._take(request, await request.body())
                response = Response()
        except Refusal as refusal:
            response = refusal.response(request_id)
        response.headers["x-ms-request-id"] = request_id
        _log.info(
            "published status=%d fault=%s request=%s", response.status_code, fault and fault.kind, request_id
        )
        return response

    def _take(self, request: Request, body: bytes) -> None:
        self.access.check(request)
        if request.query_params.get("api-version") != API_VERSION:
            raise TopicError(400, f"The api-version must be {API_VERSION}.")
        events = cloud_events.read(request.headers.get("content-type", ""), body)
        now = self.clock()
        self.received += events
        for event in events:
            for subscribed in self.subscriptions.by_name.values():
                if subscribed.wanted.wants(event):
                    self.deliveries.start(subscribed, event, now)

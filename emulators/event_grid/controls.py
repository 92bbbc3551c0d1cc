"""The topic's controls: subscribing, seeing what came, faults to come, the place of dead letters."""

from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.event_grid.dead_letters import BlobDeadLetters, DeadLetters
from emulators.event_grid.faults import Fault
from emulators.event_grid.subscriptions import Subscription
from emulators.event_grid.topic import Topic
from emulators.framework.control import Body, ControlError, parsed, route
from emulators.framework.exact_json import answer


class _Place(Body):
    container: str


@dataclass(frozen=True, slots=True)
class Controls:
    """The operations; each raises a ControlError where it does not answer."""

    topic: Topic
    dead_letters: DeadLetters

    def routes(self) -> list[Route]:
        """Where the operations are."""
        return [
            route("PUT", "/subscriptions/{name}", self.subscribe),
            route("GET", "/subscriptions", self.list_subscriptions),
            route("DELETE", "/subscriptions/{name}", self.unsubscribe),
            route("GET", "/events", self.list_events),
            route("DELETE", "/events", self.forget_events),
            route("GET", "/faults", self.list_faults),
            route("POST", "/faults", self.add_fault),
            route("DELETE", "/faults", self.forget_faults),
            route("GET", "/faults/happened", self.list_happened),
            route("PUT", "/dead-letters", self.place_dead_letters),
        ]

    async def subscribe(self, request: Request) -> Response:
        """Subscribe a webhook that agrees to it, for the events to come; or change its subscription."""
        wanted = parsed(await request.body(), Subscription)
        subscribed = await self.topic.subscriptions.put(request.path_params["name"], wanted)
        return answer(subscribed.audit())

    async def list_subscriptions(self, _: Request) -> Response:
        """Show the subscriptions and what became of their events."""
        return answer([each.audit() for each in self.topic.subscriptions.by_name.values()])

    async def unsubscribe(self, request: Request) -> Response:
        """End a subscription; what is on its way is forgotten."""
        subscribed = self.topic.subscriptions.by_name.pop(request.path_params["name"], None)
        if subscribed is None:
            raise ControlError(404, "There is no such subscription.")
        self.topic.deliveries.abandon(subscribed)
        return Response(status_code=204)

    async def list_events(self, request: Request) -> Response:
        """Show the events that were taken, from the index `since` on."""
        since, topic = request.query_params.get("since", "0"), self.topic
        if not since.isdecimal():
            raise ControlError(400, "The query parameter since must be an index.")
        return answer(
            [
                {"index": index, "id": event["id"], "event": event}
                for index, event in enumerate(topic.received, topic.forgotten)
                if index >= int(since)
            ]
        )

    async def forget_events(self, _: Request) -> Response:
        """Forget the events that were taken; the next ones are counted on."""
        self.topic.forgotten += len(self.topic.received)
        self.topic.received.clear()
        return Response(status_code=204)

    async def list_faults(self, _: Request) -> Response:
        """Show the faults that have not happened yet; `count` is what is left."""
        entries = self.topic.faults.pending
        return answer([msgspec.structs.replace(entry.fault, count=entry.remaining) for entry in entries])

    async def add_fault(self, request: Request) -> Response:
        """Take a fault."""
        self.topic.faults.add(parsed(await request.body(), Fault))
        return Response(status_code=204)

    async def forget_faults(self, _: Request) -> Response:
        """Let everything go well again."""
        self.topic.faults.clear()
        return Response(status_code=204)

    async def list_happened(self, _: Request) -> Response:
        """Show the faults that have happened, forgotten ones too; `count` is how often."""
        happened = self.topic.faults.happened
        return answer([msgspec.structs.replace(fault, count=count) for fault, count in happened])

    async def place_dead_letters(self, request: Request) -> Response:
        """Set the address of the blob container; its storage starts at the same time as the topic."""
        if not isinstance(self.dead_letters, BlobDeadLetters):
            raise ControlError(409, "Dead letters do not go to blobs.")
        self.dead_letters.container = parsed(await request.body(), _Place).container
        return Response(status_code=204)

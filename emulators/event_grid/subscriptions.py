"""Who gets which events: a webhook, a filter and a retry policy, as an event subscription has them.

Separate from delivering. A webhook is subscribed only when it agrees: CloudEvents' protection against
abuse (HTTP 1.1 Web Hooks for Event Delivery, section 4) asks it with OPTIONS. Endpoints are HTTPS, as the
service requires, or plain HTTP on loopback hosts, as it does not.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

import httpx
from msgspec import Meta

from emulators.event_grid.dead_letters import DeadLetters
from emulators.framework.control import Body, ControlError
from emulators.framework.exact_json import JsonObject
from emulators.framework.outbound import Outbound, is_loopback, split

ORIGIN: Final = "eventgrid.azure.net"
# learn.microsoft.com/azure/event-grid/delivery-and-retry; the last one repeats.
_RETRY_SECONDS: Final = (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200)
_LEAST_SECONDS: Final = {408: 120, 503: 30}
_NAME: Final = re.compile(r"[A-Za-z0-9-]{3,64}")


class Subscription(Body):
    """What a subscriber wants. `retry_seconds` makes the waits between attempts others than the service's."""

    endpoint: str
    included_event_types: list[str] | None = None
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    max_delivery_attempts: Annotated[int, Meta(ge=1, le=30)] = 30
    event_time_to_live_minutes: Annotated[int, Meta(ge=1, le=1440)] = 1440
    retry_seconds: Annotated[list[Annotated[float, Meta(ge=0)]], Meta(min_length=1)] | None = None
    dead_letter: bool = False

    def wants(self, event: JsonObject) -> bool:
        """Whether the filter lets `event` through; by default, the case of a subject makes no difference."""
        types, subject = self.included_event_types, (event.get("subject") or "").casefold()
        return (
            (types is None or event["type"] in types)
            and subject.startswith(self.subject_begins_with.casefold())
            and subject.endswith(self.subject_ends_with.casefold())
        )

    def wait_seconds(self, attempts: int, status: int | None) -> float:
        """The wait after so many attempts, the last of which was answered with `status`."""
        schedule = self.retry_seconds or _RETRY_SECONDS
        wait = schedule[min(attempts, len(schedule)) - 1]
        return wait if self.retry_seconds else max(wait, _LEAST_SECONDS.get(status or 0, 0))


@dataclass(slots=True)
class Subscribed:
    """A subscription and what became of the events that it wanted."""

    name: str
    wanted: Subscription
    pending: int = 0
    delivered: int = 0
    dead_lettered: int = 0
    dropped: int = 0

    def audit(self) -> dict[str, Any]:
        """What the control plane shows."""
        return {
            "name": self.name,
            "subscription": self.wanted,
            "pending": self.pending,
            "delivered": self.delivered,
            "deadLettered": self.dead_lettered,
            "dropped": self.dropped,
        }


class Subscriptions:
    """The subscriptions of the topic, by name."""

    def __init__(self, outbound: Outbound, dead_letters: DeadLetters) -> None:
        self.by_name: dict[str, Subscribed] = {}
        self._outbound = outbound
        self._dead_letters = dead_letters

    async def put(self, name: str, wanted: Subscription) -> Subscribed:
        """Subscribe, or change a subscription, also for what is on its way; ControlError 400 if refused."""
        if not _NAME.fullmatch(name):
            raise ControlError(400, "A name has 3 to 64 letters, digits and hyphens.")
        parts = split(wanted.endpoint)
        if parts is None or not (
            parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
        ):
            raise ControlError(400, "The endpoint must be an https address, or http on a loopback host.")
        if wanted.dead_letter and not self._dead_letters.is_available:
            raise ControlError(400, "There is no place for dead letters.")
        await self._shake_hands(wanted.endpoint)
        subscribed = self.by_name.setdefault(name, Subscribed(name, wanted))
        subscribed.wanted = wanted
        return subscribed

    async def _shake_hands(self, endpoint: str) -> None:
        try:
            answer = await self._outbound.send("OPTIONS", endpoint, {"WebHook-Request-Origin": ORIGIN})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise ControlError(
                400, f"The webhook was not validated: it gives no answer ({type(error).__name__})."
            ) from error
        allowed = answer.headers.get("WebHook-Allowed-Origin", "").strip()
        if answer.status_code != 200 or allowed.casefold() not in ("*", ORIGIN):
            raise ControlError(
                400,
                f"The webhook was not validated: it answers OPTIONS with {answer.status_code} and the "
                f"WebHook-Allowed-Origin '{allowed}', not 200 and '{ORIGIN}'.",
            )

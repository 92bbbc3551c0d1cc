"""Delivering: every event to every subscriber that wants it, at least once, each by itself and unordered.

Separate from the topic, because this is the part with tasks.

What a webhook answers decides, as learn.microsoft.com/azure/event-grid/delivery-and-retry has it: 200 to
204 is success; 400, 401, 403 and 413 will not change, so the event is dead at once; everything else is
tried again, until the attempts or the time to live are used up. A dead event is written where dead letters
go, or dropped. Of the words in `_OUTCOMES` and the reasons, UndeliverableDueToHttpBadRequest has been seen
in a real dead letter; those of the other three statuses are made like it.
"""

import asyncio
import logging
from typing import Final

import httpx

from emulators.event_grid.dead_letters import DeadLetterError, DeadLetters, Failure, blob_name, letter
from emulators.event_grid.subscriptions import Subscribed
from emulators.framework import exact_json
from emulators.framework.background import Background
from emulators.framework.clock import Clock, Sleep
from emulators.framework.exact_json import JsonObject
from emulators.framework.outbound import Outbound

RESPONSE_SECONDS: Final = 30  # what the service waits for an answer

_AT_ONCE: Final = 64
_DELIVERED: Final = range(200, 205)
_FINAL: Final = frozenset({400, 401, 403, 413})
_OUTCOMES: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    429: "Busy",
    503: "Busy",
}

_log = logging.getLogger(__name__)


class Deliveries:
    """Runs the deliveries of the topic called `topic`."""

    def __init__(
        self, topic: str, outbound: Outbound, dead_letters: DeadLetters, clock: Clock, sleep: Sleep
    ) -> None:
        self._topic = topic
        self._outbound = outbound
        self._dead_letters = dead_letters
        self._clock = clock
        self._sleep = sleep
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running = Background(self._ended)

    def start(self, subscribed: Subscribed, event: JsonObject, published: float) -> None:
        """Begin to deliver `event`, which was published at that moment."""
        self._running.start(subscribed, self._run(subscribed, event, published))
        subscribed.pending += 1

    def abandon(self, subscribed: Subscribed) -> None:
        """Forget what is on its way to a subscriber."""
        self._running.abandon(subscribed)

    async def stop(self) -> None:
        """End everything, at the end of the application."""
        await self._running.stop()

    async def _run(self, subscribed: Subscribed, event: JsonObject, published: float) -> None:
        body, attempts, reason = exact_json.encode(event), 0, None
        while reason is None:
            status, outcome = await self._attempt(subscribed, body, attempts)
            attempts, attempted, wanted = attempts + 1, self._clock(), subscribed.wanted
            _log.info("delivery subscription=%s event=%s status=%s", subscribed.name, event["id"], status)
            if status in _DELIVERED:
                subscribed.delivered += 1
                return
            if status in _FINAL:
                reason = f"UndeliverableDueToHttp{outcome}"
            elif attempts >= wanted.max_delivery_attempts:
                reason = "MaxDeliveryAttemptsExceeded"
            else:
                wait = wanted.wait_seconds(attempts, status)
                left = published + wanted.event_time_to_live_minutes * 60 - attempted
                await self._sleep(min(wait, left))
                reason = "MaxRetryDurationExceeded" if wait >= left else None
        failure = Failure(
            reason=reason,
            attempts=attempts,
            last_outcome=outcome,
            published=published,
            last_attempted=attempted,
        )
        await self._bury(subscribed, event, failure)

    async def _attempt(self, subscribed: Subscribed, body: bytes, attempts: int) -> tuple[int | None, str]:
        """Deliver once: the status, if there is an answer, and what the service calls the outcome."""
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscribed.name.upper(),
            "aeg-delivery-count": str(attempts),
            "aeg-metadata-version": "1.0",
        }
        try:
            async with self._slots:
                answer = await self._outbound.send("POST", subscribed.wanted.endpoint, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            return None, "TimedOut"
        except (httpx.HTTPError, httpx.InvalidURL):
            return None, "SocketError"
        return answer.status_code, _OUTCOMES.get(answer.status_code, "Aborted")

    async def _bury(self, subscribed: Subscribed, event: JsonObject, failure: Failure) -> None:
        if subscribed.wanted.dead_letter:
            name = blob_name(self._topic, subscribed.name, self._clock())
            try:
                await self._dead_letters.write(name, letter(event, failure))
            except DeadLetterError as error:
                _log.warning("no dead letter event=%s error=%s", event["id"], error)
            else:
                subscribed.dead_lettered += 1
                return
        subscribed.dropped += 1

    @staticmethod
    def _ended(subscribed: Subscribed, task: asyncio.Task[None]) -> None:
        subscribed.pending -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a delivery broke off", exc_info=error)

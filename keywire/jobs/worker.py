"""The worker of every work queue: processes a message to its end, defers it, or moves it to the poison queue.

A failure of a dependency defers the message (see `keywire.jobs.retry_policy`) and costs no try. An exception that the
code did not expect makes the host deliver the message again, up to `MAX_TRIES` times; after the last try the message
goes to the poison queue with its reason. A message of a newer version is deferred until an instance knows it.

One deadline bounds everything that an invocation does. The host ends an invocation after `functionTimeout`, and the
worker process with all its other invocations.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keywire.jobs import poison, retry_policy
from keywire.jobs.message import Deferrable, InvalidMessageError, NewerMessageError
from keywire.jobs.poison import MAX_TRIES, PoisonMessage, PoisonQueue
from keywire.jobs.queue import MessageQueue
from keywire.jobs.retry_policy import DeadLetter, kind_of
from keywire.telemetry import instruments, tracing

NEWER_DELAY: Final = timedelta(minutes=1)
# Together they stay below host.json's functionTimeout of 300 s; a test compares them.
WORK_SECONDS: Final = 240.0
SEND_SECONDS: Final = 40.0

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Codec[M: Deferrable]:
    """How the messages of a queue are read, written and named.

    Attributes:
        decode: Reads a message; raises InvalidMessageError.
        encode: Writes it as the text of a queue message.
        span: The name of the span around its processing.
        traceparent: The message's W3C trace context.
        ids: What log lines name it by, for instance `video=... job=...`.
    """

    decode: Callable[[bytes], M]
    encode: Callable[[M], str]
    span: str
    traceparent: Callable[[M], str | None]
    ids: Callable[[M], str]


@dataclass(frozen=True, kw_only=True)
class Worker[M: Deferrable]:
    """Processes the messages of one queue.

    Attributes:
        codec: How they are read and written.
        work: Does what a message asks for; safe to repeat.
        queue: Where a message is deferred: the queue that it came from.
        poison: Where a message goes that failed for good.
        clock: The time now (UTC).
        jitter: A number from 0 to 1, another at each call.
    """

    codec: Codec[M]
    work: Callable[[M], Awaitable[object]]
    queue: MessageQueue
    poison: PoisonQueue
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    async def process(self, body: bytes, *, tries: int) -> None:
        """Process a message that the queue delivered for the `tries`th time.

        Raises:
            Exception: An unexpected failure, before the last try; or storage took neither the deferred message nor
                the poison message. The host delivers the message again.
        """
        try:
            message = self.codec.decode(body)
        except NewerMessageError as error:
            await self._leave_to_newer(body, error, tries)
            return
        except InvalidMessageError as error:
            await self._refuse(body, error, tries)
            return
        with tracing.span(self.codec.span, kind="consumer", traceparent=self.codec.traceparent(message)):
            await self._process(message, tries)

    async def _process(self, message: M, tries: int) -> None:
        try:
            async with asyncio.timeout(WORK_SECONDS):
                await self.work(message)
        except Exception as error:
            if retry_policy.is_dependency_failure(error):
                await self._retry(message, error, tries)
            elif tries >= MAX_TRIES:
                await self._give_up(message, f"{type(error).__name__}: {error}", error, tries)
            else:
                raise

    async def _retry(self, message: M, error: Exception, tries: int) -> None:
        decision = retry_policy.decide(message, error, now=self.clock(), jitter=self.jitter)
        if isinstance(decision, DeadLetter):
            await self._give_up(message, decision.reason, error, tries)
            return
        async with asyncio.timeout(SEND_SECONDS):
            await self.queue.send(self.codec.encode(decision.message), delay=decision.delay)
        instruments.deferrals.add(1, {"reason": kind_of(error)})
        logger.warning(
            "%s deferred for %.0f s attempt=%d: %s %s",
            self.codec.ids(message),
            decision.delay.total_seconds(),
            decision.message.attempts,
            type(error).__name__,
            decision.message.last_error,
        )

    async def _leave_to_newer(self, body: bytes, error: NewerMessageError, tries: int) -> None:
        age = self.clock() - error.received_at if error.received_at else None
        if age is None or age >= retry_policy.MAX_AGE:
            await self._refuse(body, error, tries)
            return
        await self.queue.send(body.decode(), delay=NEWER_DELAY)
        instruments.deferrals.add(1, {"reason": "Newer"})
        logger.warning(
            "queue=%s message deferred for %.0f s: %s", self.queue.name, NEWER_DELAY.total_seconds(), error
        )

    async def _refuse(self, body: bytes, error: InvalidMessageError, tries: int) -> None:
        await self._send_poison(poison.from_body(body, str(error), now=self.clock(), tries=tries))
        instruments.poison.add(1, {"queue": self.poison.name, "reason": "unreadable"})
        logger.error("queue=%s message moved to the poison queue: %s", self.queue.name, error)

    async def _give_up(self, message: M, reason: str, error: Exception, tries: int) -> None:
        text = self.codec.encode(message)
        await self._send_poison(poison.from_message(text, reason, now=self.clock(), tries=tries))
        instruments.poison.add(1, {"queue": self.poison.name, "reason": kind_of(error)})
        logger.error("%s moved to the poison queue: %s", self.codec.ids(message), reason)

    async def _send_poison(self, message: PoisonMessage) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self.poison.send(message)

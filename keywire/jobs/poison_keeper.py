"""Keeping poison: what the host moved to a poison queue, before it expires.

A message that the host gives up (its process crashed each time, or it was no base64) lies there without a
reason and is lost after seven days. Taken over, it says what is known and stays.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from azure.core.exceptions import AzureError, ResourceNotFoundError

from keywire.in_parallel import for_each
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.message import InvalidMessageError
from keywire.jobs.poison import PoisonMessage, PoisonQueue
from keywire.telemetry import instruments

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

CRASHED: Final = "the host gave it up: its process ended each time before it could say why"
NO_BASE64: Final = "the host gave it up: it is not base64, as messages on this queue have to be"
# What never expires says year 9999.
_FOREVER: Final = 9000
# Out of others' sight while the queue is looked through: no order is promised, and what comes up again and
# again would keep the rest from being seen.
HOLD_SECONDS: Final = 120
PAGE: Final = 32
CONCURRENCY: Final = 16

logger: Final = logging.getLogger(__name__)


class _Seen(NamedTuple):
    """A message that stays, and what shows it again."""

    id: str
    pop_receipt: str | None


@dataclass(frozen=True, kw_only=True)
class PoisonKeeper:
    """Takes over what would expire.

    Attributes:
        queues: The poison queues; clients that neither encode nor decode.
        encoded: The same queues, with clients that encode.
        clock: The time now (UTC).
    """

    queues: Sequence["QueueClient"]
    encoded: Sequence["QueueClient"]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def take_over(self) -> int:
        """Take over every message that would expire; how many there were.

        Raises:
            azure.core.exceptions.AzureError: Storage failed with a queue; with the others all was done that
                could be, and the next run goes on.
        """
        kept, failures = 0, list[AzureError]()
        for queue, encoded in zip(self.queues, self.encoded, strict=True):
            try:
                kept += await self._keep(queue, PoisonQueue(encoded))
            except AzureError as error:
                logger.error("queue=%s not kept: %s", queue.queue_name, type(error).__name__)  # noqa: TRY400
                failures.append(error)
        if failures:
            raise failures[0]
        return kept

    async def _keep(self, queue: "QueueClient", target: PoisonQueue) -> int:
        there = (await queue.get_queue_properties()).approximate_message_count or 0
        if not there:
            return 0
        kept, seen = 0, list[_Seen]()
        messages = queue.receive_messages(
            messages_per_page=min(there, PAGE), visibility_timeout=HOLD_SECONDS, max_messages=there
        )
        try:
            async for message in messages:
                if message.expires_on is None or message.expires_on.year >= _FOREVER:
                    seen.append(_Seen(message.id, message.pop_receipt))
                    continue
                await target.send(self._kept(message))
                await queue.delete_message(message)
                instruments.poison.add(1, {"queue": target.name, "reason": "host"})
                logger.warning("queue=%s message=%s taken over", target.name, message.id)
                kept += 1
        finally:
            await _release(queue, seen)
        return kept

    def _kept(self, message: "QueueMessage") -> PoisonMessage:
        now, tries = self.clock(), message.dequeue_count or 0
        try:
            body = poison.from_base64(message.content)
        except ValueError:
            return poison.from_body(message.content.encode(), NO_BASE64, now=now, tries=tries)
        try:
            return poison.from_message(jobs.encode(jobs.decode(body)), CRASHED, now=now, tries=tries)
        except InvalidMessageError:
            return poison.from_body(body, CRASHED, now=now, tries=tries)


async def _release(queue: "QueueClient", seen: Sequence[_Seen]) -> None:
    """Show messages again; one that somebody took or deleted meanwhile is theirs."""

    async def show(message: _Seen) -> None:
        try:
            await queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)
        except ResourceNotFoundError:
            logger.info("queue=%s message=%s is gone", queue.queue_name, message.id)

    await for_each(seen, show, concurrency=CONCURRENCY)

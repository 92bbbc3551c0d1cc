"""The poison keeper: rewrites the host's poison messages in Keywire's form, before they expire.

The host moves a message to the poison queue if the process crashed at every try, or if the message is not base64.
Such a poison message has no reason, and it expires after seven days. The rewritten one has a reason and never expires.
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

CRASHED: Final = "moved here by the host: the process ended at every try, before it could write a reason"
NOT_BASE64: Final = "moved here by the host: the message is not base64, which this queue requires"
# A message that never expires says year 9999.
_FOREVER: Final = 9000
# How long messages are invisible while the queue is read. Without it some messages might be delivered again and again
# and others never, because a queue promises no order.
HOLD_SECONDS: Final = 120
PAGE: Final = 32
CONCURRENCY: Final = 16

logger: Final = logging.getLogger(__name__)


class _Held(NamedTuple):
    """A message that stays on the queue, and the receipt that makes it visible again."""

    id: str
    pop_receipt: str | None


@dataclass(frozen=True, kw_only=True)
class PoisonKeeper:
    """Rewrites the messages of poison queues that would expire.

    Attributes:
        queues: The poison queues; clients that neither encode nor decode.
        encoded: The same queues; clients that encode.
        clock: The time now (UTC).
    """

    queues: Sequence["QueueClient"]
    encoded: Sequence["QueueClient"]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def rewrite(self) -> int:
        """Rewrite every message that would expire, and return how many there were.

        Raises:
            azure.core.exceptions.AzureError: A queue failed. The other queues were processed, and the next run
                continues.
        """
        rewritten, failures = 0, list[AzureError]()
        for queue, encoded in zip(self.queues, self.encoded, strict=True):
            try:
                rewritten += await self._rewrite_queue(queue, PoisonQueue(encoded))
            except AzureError as error:
                logger.error(  # noqa: TRY400
                    "queue=%s poison messages not rewritten: %s", queue.queue_name, type(error).__name__
                )
                failures.append(error)
        if failures:
            raise failures[0]
        return rewritten

    async def _rewrite_queue(self, queue: "QueueClient", target: PoisonQueue) -> int:
        count = (await queue.get_queue_properties()).approximate_message_count or 0
        if not count:
            return 0
        rewritten, held = 0, list[_Held]()
        messages = queue.receive_messages(
            messages_per_page=min(count, PAGE), visibility_timeout=HOLD_SECONDS, max_messages=count
        )
        try:
            async for message in messages:
                if message.expires_on is None or message.expires_on.year >= _FOREVER:
                    held.append(_Held(message.id, message.pop_receipt))
                    continue
                await target.send(self._poison_message(message))
                await queue.delete_message(message)
                instruments.poison.add(1, {"queue": target.name, "reason": "host"})
                logger.warning("queue=%s poison message=%s rewritten", target.name, message.id)
                rewritten += 1
        finally:
            await _release(queue, held)
        return rewritten

    def _poison_message(self, message: "QueueMessage") -> PoisonMessage:
        now, tries = self.clock(), message.dequeue_count or 0
        try:
            body = poison.from_base64(message.content)
        except ValueError:
            return poison.from_body(message.content.encode(), NOT_BASE64, now=now, tries=tries)
        try:
            return poison.from_message(jobs.encode(jobs.decode(body)), CRASHED, now=now, tries=tries)
        except InvalidMessageError:
            return poison.from_body(body, CRASHED, now=now, tries=tries)


async def _release(queue: "QueueClient", held: Sequence[_Held]) -> None:
    """Make messages visible again, unless another process received or deleted them meanwhile."""

    async def show(message: _Held) -> None:
        try:
            await queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)
        except ResourceNotFoundError:
            logger.info("queue=%s message=%s is gone", queue.queue_name, message.id)

    await for_each(held, show, concurrency=CONCURRENCY)

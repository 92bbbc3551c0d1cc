"""Keeping poison: what the host moved to a poison queue, before it expires.

A message that the host gives up (its process crashed each time, or it was no base64) lies there without a
reason and is lost after seven days. Taken over, it says what is known and stays.
"""

import base64
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from keywire import jobs, poison
from keywire.jobs import InvalidJobError
from keywire.poison import PoisonMessage, PoisonQueue

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

CRASHED: Final = "the host gave it up: its process ended each time before it could say why"
NO_BASE64: Final = "the host gave it up: it is not base64, as messages on this queue have to be"
# What never expires says year 9999.
_FOREVER: Final = 9000
# Out of others' sight while it is looked at.
HOLD_SECONDS: Final = 30
MAX_MESSAGES: Final = 1000

logger: Final = logging.getLogger(__name__)


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

    async def run(self) -> int:
        """Take over every message that would expire; how many there were.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the next run goes on.
        """
        kept = 0
        for queue, encoded in zip(self.queues, self.encoded, strict=True):
            target = PoisonQueue(encoded)
            there = (await queue.get_queue_properties()).approximate_message_count or 0
            if not there:
                continue
            messages = queue.receive_messages(
                messages_per_page=min(there, 32),
                visibility_timeout=HOLD_SECONDS,
                max_messages=min(there, MAX_MESSAGES),
            )
            async for message in messages:
                if message.expires_on is not None and message.expires_on.year < _FOREVER:
                    await target.send(self._kept(message))
                    await queue.delete_message(message)
                    logger.warning("queue=%s message=%s taken over", queue.queue_name, message.id)
                    kept += 1
                else:
                    await queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)
        return kept

    def _kept(self, message: "QueueMessage") -> PoisonMessage:
        now, tries = self.clock(), message.dequeue_count or 0
        try:
            body = base64.b64decode(message.content, validate=True)
        except ValueError:
            return poison.of_body(message.content.encode(), NO_BASE64, now=now, tries=tries)
        try:
            return poison.of_job(jobs.decode(body), CRASHED, now=now, tries=tries)
        except InvalidJobError:
            return poison.of_body(body, CRASHED, now=now, tries=tries)

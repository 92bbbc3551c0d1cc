"""The hold on a queue message while a function works on it.

A message is taken for a time and renewed at half of it. Each renewal gives a new pop receipt, and only the
newest one settles the message: so the hold is a thing of its own, and whoever settles asks it for the
receipt.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, HttpResponseError

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

logger = logging.getLogger(__name__)


class MessageLock:
    """One taken message; `pop_receipt` is always the newest."""

    def __init__(self, queue: "QueueClient", message: "QueueMessage", seconds: int) -> None:
        self._queue = queue
        self._id: str = message.id
        self._seconds = seconds
        self.pop_receipt: str = message.pop_receipt or ""

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lock until the block ends."""
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(done))
        try:
            yield
        finally:
            # Not cancelled: a renewal under way changes the receipt that the message is settled with.
            done.set()
            await renewal

    async def _renew(self, done: asyncio.Event) -> None:
        wait = self._seconds / 2
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await done.wait()
                    return
            try:
                updated = await self._queue.update_message(
                    self._id, self.pop_receipt, visibility_timeout=self._seconds
                )
            except AzureError as error:
                if _is_lost(error):
                    logger.warning("Message %s was taken by another instance while in work", self._id)
                    return
                logger.warning("Message %s could not be renewed: %s", self._id, reason(error))
                wait = self._seconds / 10  # sooner than usual, as the extension does
            else:
                self.pop_receipt = updated.pop_receipt or self.pop_receipt
                wait = self._seconds / 2


@contextmanager
def unless_lost(message_id: str) -> Iterator[None]:
    """Pass over the error which says that another instance has the message, or that it's gone."""
    try:
        yield
    except AzureError as error:
        if not _is_lost(error):
            raise
        logger.warning("Message %s is no longer this instance's: it was taken or deleted", message_id)


def reason(error: AzureError) -> str:
    """An error in one line, without the request that the client adds to it."""
    return f"{type(error).__name__}: {str(error).partition('\n')[0]}"


def _is_lost(error: AzureError) -> bool:
    return isinstance(error, HttpResponseError) and (
        error.status_code == 404 or getattr(error, "error_code", "") == "PopReceiptMismatch"
    )

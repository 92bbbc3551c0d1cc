"""The queue listener: polls a queue, runs a function for each message, and settles the message.

The rules are those of the Storage Queues extension 5.x (`QueueListener`, `QueueProcessor`): it takes up to
`batchSize` messages for ten minutes each, and the next batch when no more than `newBatchThreshold` are in
work; a lock is renewed at half its time while the function runs; see `messages` for what happens then. A
queue that doesn't exist is an empty one. A killed process leaves its messages locked. Left out: the
notification by which an output binding wakes a listener in its own process, which separate instances don't
have either.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceNotFoundError

from emulators.functions_host.backoff import Backoff
from emulators.functions_host.bindings import QueueTrigger
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import Function
from emulators.functions_host.host_json import QueueSettings
from emulators.functions_host.lifetime import drain
from emulators.functions_host.locks import MessageLock, reason, unless_lost
from emulators.functions_host.messages import (
    Fate,
    UndecodableMessageError,
    after_run,
    before_run,
    decode,
    poison_queue,
    trigger_data,
    trigger_metadata,
)
from emulators.functions_host.outputs import send

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueServiceClient

logger = logging.getLogger(__name__)


class QueueListener:
    """Listens to one queue for one function."""

    def __init__(
        self,
        function: Function,
        trigger: QueueTrigger,
        executor: Executor,
        service: "QueueServiceClient",
        settings: QueueSettings,
        *,
        lock_seconds: int,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._executor = executor
        self._settings = settings
        self._lock_seconds = lock_seconds
        self._queue = service.get_queue_client(trigger.queue)
        poison = poison_queue(trigger.queue)
        self._poison = service.get_queue_client(poison) if poison else None
        self._running: set[asyncio.Task[None]] = set()
        self._outage = False

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then let the messages in work end."""
        backoff = Backoff(self._settings.max_polling_interval.total_seconds())
        found = False
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            batch = await self._receive()
            for message in batch:
                task = asyncio.create_task(self._process(message), name=f"message:{message.id}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if batch:
                found = True
                while len(self._running) > self._settings.new_batch_threshold and not stop.is_set():
                    await asyncio.wait({*self._running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.wait({stopping}, timeout=backoff.next(found=found))
                found = False
        stopping.cancel()
        await drain(self._running)

    async def _receive(self) -> "list[QueueMessage]":
        size = self._settings.batch_size
        pages = self._queue.receive_messages(
            messages_per_page=size,
            max_messages=size,
            visibility_timeout=self._lock_seconds,
            retry_total=0,  # the next poll is the retry
        ).by_page()
        batch: list[QueueMessage] = []
        try:
            # Only the first page: the iterator would ask the service again to learn that there is no more.
            batch = [message async for message in await anext(pages)]
        except StopAsyncIteration:
            pass
        except ResourceNotFoundError:
            logger.debug("Queue %s doesn't exist yet", self._queue.queue_name)
        except AzureError as error:
            if not self._outage:
                logger.warning("Queue %s can't be polled: %s", self._queue.queue_name, reason(error))
            self._outage = True
            return batch
        if self._outage:
            logger.info("Queue %s is polled again", self._queue.queue_name)
        self._outage = False
        return batch

    async def _process(self, message: "QueueMessage") -> None:
        lock = MessageLock(self._queue, message, self._lock_seconds)
        try:
            fate = await self._fate(message, lock)
            await self._settle(message, lock.pop_receipt, fate)
        except AzureError as error:
            # The message comes back when its lock ends: nothing is lost.
            logger.warning("Message %s could not be settled: %s", message.id, reason(error))

    async def _fate(self, message: "QueueMessage", lock: MessageLock) -> Fate:
        count = message.dequeue_count or 0
        fate = before_run(count, self._settings, has_poison_queue=self._poison is not None)
        if fate is not Fate.RUN:
            return fate
        try:
            body = decode(message.content, self._settings.message_encoding)
        except UndecodableMessageError:
            logger.warning("Message %s is not base64, which host.json's messageEncoding asks for", message.id)
            return Fate.LEAVE if self._poison is None else Fate.POISON
        metadata = trigger_metadata(
            message_id=message.id,
            dequeue_count=count,
            inserted_on=message.inserted_on,
            expires_on=message.expires_on,
            next_visible_on=message.next_visible_on,
            pop_receipt=message.pop_receipt or "",
        )
        async with lock.kept():
            outcome = await self._executor.run(
                self._function,
                [(self._trigger.parameter, trigger_data(body, binary=self._trigger.binary))],
                metadata,
            )
        return after_run(count, self._settings, ok=outcome.ok, has_poison_queue=self._poison is not None)

    async def _settle(self, message: "QueueMessage", pop_receipt: str, fate: Fate) -> None:
        if fate is Fate.LEAVE:
            return
        if fate is Fate.RELEASE:
            seconds = int(self._settings.visibility_timeout.total_seconds())
            with unless_lost(message.id):
                await self._queue.update_message(message.id, pop_receipt, visibility_timeout=seconds)
            return
        if fate is Fate.POISON:
            assert self._poison is not None
            logger.warning(
                "Message %s moves to %s after %s of %d tries",
                message.id,
                self._poison.queue_name,
                message.dequeue_count,
                self._settings.max_dequeue_count,
            )
            await send(self._poison, message.content)
        with unless_lost(message.id):
            await self._queue.delete_message(message.id, pop_receipt)

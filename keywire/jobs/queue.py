"""Queues of messages for workers."""

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient


class MessageQueue:
    """A queue that a worker processes.

    Args:
        queue: A client that encodes its messages with base64, as the Functions queue trigger expects.
    """

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.queue_name

    async def send(self, text: str, *, delay: timedelta = timedelta()) -> None:
        """Queue a message that becomes visible after `delay` (at most seven days) and never expires.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send_message(
            text, visibility_timeout=math.ceil(delay.total_seconds()), time_to_live=KEEP_FOREVER
        )


class JobQueue:
    """A queue of extraction jobs.

    Args:
        queue: The queue.
    """

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue

    async def send(self, job: ExtractionJob) -> None:
        """Queue a job.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send(jobs.encode(job))

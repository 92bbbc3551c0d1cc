"""A queue of jobs, as whoever has a signal or puts one off sees it."""

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient


class JobQueue:
    """Takes extraction jobs.

    Args:
        queue: A client that encodes its messages with base64, as the Functions queue trigger expects.
    """

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    async def send(self, job: ExtractionJob, *, delay: timedelta = timedelta()) -> None:
        """Queue a job, to be done after `delay` and however late somebody comes to it.

        `delay` is at most seven days, the queue service's limit.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self.send_text(jobs.encode(job), delay=delay)

    async def send_text(self, text: str, *, delay: timedelta = timedelta()) -> None:
        """Queue a message as it is, like a job; one that only a newer version can read, for instance.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send_message(
            text, visibility_timeout=math.ceil(delay.total_seconds()), time_to_live=KEEP_FOREVER
        )

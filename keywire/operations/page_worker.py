"""Running a page of an operation as it comes from its queue: to its end, or to the poison queue.

What is raised makes the host try again after a while. On its last try a page is put where a person finds it,
with the reason, as is one that can't be read, and a replay puts it on its queue again. A page of a newer
version is tried as often: while one is rolled out, another instance may know what to do with it. What has to
wait for its turn at Video Indexer is put off, and costs no try.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keywire.decoding import DECODE_ERRORS, message_version
from keywire.jobs import poison
from keywire.jobs.poison import MAX_TRIES, PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.telemetry import instruments
from keywire.video_indexer.errors import ThrottledError

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PageWorker[P]:
    """Runs the pages of one queue; `P` is what a page is.

    Attributes:
        read: Reads a message; raises ValueError, with a reason that repeats nothing of it.
        do: Does a page.
        queue: Where a page is put off to: the queue that it came from.
        poison: Where a page is given up to.
        clock: The time now (UTC).
        jitter: A number from 0 to 1, another each time.
    """

    read: Callable[[bytes], P]
    do: Callable[[P], Awaitable[None]]
    queue: JobQueue
    poison: PoisonQueue
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    async def process(self, body: bytes, *, tries: int) -> None:
        """Do the page in a message that was given out `tries` times.

        Raises:
            Exception: Whatever failed, before the last try; and when storage does not take poison.
        """
        try:
            page = self.read(body)
        except ValueError as error:
            if _is_newer(body) and tries < MAX_TRIES:
                raise
            await self._give_up(body, str(error), "unreadable", tries)
            return
        try:
            await self.do(page)
        except ThrottledError as error:
            delay = timedelta(seconds=error.retry_after * (1 + self.jitter() / 2))
            await self.queue.send_text(body.decode(), delay=delay)
            instruments.deferrals.add(1, {"reason": "Throttled"})
            logger.warning("page put off for %.0f s: %s", delay.total_seconds(), error)
        except Exception as error:
            if tries < MAX_TRIES:
                raise
            kind = type(error).__name__
            await self._give_up(body, f"{kind}: {error}", kind.removesuffix("Error"), tries)

    async def _give_up(self, body: bytes, reason: str, kind: str, tries: int) -> None:
        await self.poison.send(poison.from_body(body, reason, now=self.clock(), tries=tries))
        instruments.poison.add(1, {"queue": self.poison.name, "reason": kind})
        logger.error("queue=%s page given up: %s", self.poison.name, reason)


def _is_newer(body: bytes) -> bool:
    try:
        return message_version(body) > 1
    except DECODE_ERRORS:
        return False

"""Running a job as it comes from the queue: to its end, to a later time, or to the poison queue.

What is raised makes the host try again after a while, up to `MAX_TRIES` times. That is for what nobody
foresaw; on the last of these tries the job is put where a person finds it, with the reason, as the host would
without one. A job of a newer version is left to the instances that know it, for as long as a failure of Video
Indexer would be waited for: nobody rolls out a version for longer.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keywire.extraction import retry_policy
from keywire.extraction.extraction import Extraction
from keywire.extraction.retry_policy import DeadLetter, Defer
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.job import ExtractionJob, InvalidJobError, NewerJobError
from keywire.jobs.poison import MAX_TRIES, PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.signals.last_seen import LastSignals
from keywire.telemetry import instruments, tracing
from keywire.video_indexer.errors import VideoIndexerError

NEWER_DELAY: Final = timedelta(minutes=1)

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExtractionWorker:
    """Runs the jobs of one queue.

    Attributes:
        extraction: What a job does.
        queue: Where a job is put off to: the queue that it came from.
        poison: Where a job is given up to.
        last_signals: Where it is noted that a signal came.
        clock: The time now (UTC).
        jitter: A number from 0 to 1, another each time.
    """

    extraction: Extraction
    queue: JobQueue
    poison: PoisonQueue
    last_signals: LastSignals
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    async def process(self, body: bytes, *, tries: int) -> None:
        """Run the job in a message that was given out `tries` times.

        Raises:
            Exception: Whatever failed, before the last try; and when storage takes neither job nor poison.
        """
        try:
            job = jobs.decode(body)
        except NewerJobError as error:
            await self._leave(body, error, tries)
            return
        except InvalidJobError as error:
            await self._give_up_unreadable(body, error, tries)
            return
        with tracing.span("extract", kind="consumer", traceparent=job.traceparent):
            await self._run(job, tries)

    async def _leave(self, body: bytes, error: NewerJobError, tries: int) -> None:
        if error.received_at is None or self.clock() - error.received_at >= retry_policy.MAX_AGE:
            await self._give_up_unreadable(body, error, tries)
            return
        await self.queue.send_text(body.decode(), delay=NEWER_DELAY)
        instruments.deferrals.add(1, {"reason": "Newer"})
        logger.warning("job put off for %.0f s: %s", NEWER_DELAY.total_seconds(), error)

    async def _give_up_unreadable(self, body: bytes, error: InvalidJobError, tries: int) -> None:
        await self.poison.send(poison.from_body(body, str(error), now=self.clock(), tries=tries))
        instruments.poison.add(1, {"queue": self.poison.name, "reason": "unreadable"})
        logger.error("job unreadable, given up: %s", error)

    async def _run(self, job: ExtractionJob, tries: int) -> None:
        await self.last_signals.note(job)
        try:
            await self.extraction.extract(job)
        except VideoIndexerError as error:
            await self._act(
                job, retry_policy.decide(job, error, now=self.clock(), jitter=self.jitter), error, tries
            )
        except Exception as error:
            if tries < MAX_TRIES:
                raise
            await self._give_up(job, f"{type(error).__name__}: {error}", error, tries)

    async def _act(
        self, job: ExtractionJob, decision: Defer | DeadLetter, error: VideoIndexerError, tries: int
    ) -> None:
        if isinstance(decision, DeadLetter):
            await self._give_up(job, decision.reason, error, tries)
            return
        await self.queue.send(decision.job, delay=decision.delay)
        instruments.deferrals.add(1, {"reason": _kind(error)})
        logger.warning(
            "video=%s job=%s put off for %.0f s attempt=%d: %s %s",
            job.video_id,
            job.job_id,
            decision.delay.total_seconds(),
            decision.job.attempts,
            type(error).__name__,
            error,
        )

    async def _give_up(self, job: ExtractionJob, reason: str, error: Exception, tries: int) -> None:
        await self.poison.send(poison.from_job(job, reason, now=self.clock(), tries=tries))
        instruments.poison.add(1, {"queue": self.poison.name, "reason": _kind(error)})
        logger.error("video=%s job=%s given up: %s", job.video_id, job.job_id, reason)


def _kind(error: Exception) -> str:
    return type(error).__name__.removesuffix("Error")

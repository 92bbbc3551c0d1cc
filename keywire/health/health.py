"""How Keywire is: what an operator is shown, alerts watch, and a load balancer asks for.

Everything is read from storage, where the instances note what they saw: whichever of them is asked says the
same. What is good and what is not is decided in `health_checks`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from azure.core.exceptions import AzureError

from keywire.health import checks
from keywire.health.checks import Check, Report, Status
from keywire.health.interest_check import InterestCheck
from keywire.health.probe import Probe
from keywire.health.queue_depths import Depth, QueueDepths
from keywire.reconciliation.state import State
from keywire.signals.last_seen import LastSignals
from keywire.storage.notes import Note
from keywire.telemetry import instruments
from keywire.video_indexer.quota_ledger import Ledger

# Whoever asks often gets the answer of a moment ago.
CACHE_SECONDS: Final = 10.0
# Storage's client has patience for more than whoever asks how it is.
LOOK_SECONDS: Final = 15.0

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Health:
    """Looks at everything.

    Attributes:
        depths: The queues.
        probe: Video Indexer.
        interests: What came of reading the file of interests, and the file itself.
        last_signals: When signals came.
        reconciliation: What reconciliation noted.
        quota: What the quota gate noted.
        clock: The time now (UTC).
    """

    depths: QueueDepths
    probe: Probe
    interests: InterestCheck
    last_signals: LastSignals
    reconciliation: Note[State]
    quota: Note[Ledger]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _kept: list[tuple[float, Report]] = field(default_factory=list)

    async def report(self) -> Report:
        """How everything is, or was some seconds ago. What can't be looked at is a failed check."""
        async with self._lock:
            if not self._kept or time.monotonic() - self._kept[0][0] >= CACHE_SECONDS:
                found = await self._look()
                # Counted from its end: where storage fails, a look takes longer than it is kept.
                self._kept[:] = [(time.monotonic(), found)]
            return self._kept[0][1]

    async def measure(self) -> Report:
        """Ask Video Indexer anew, look into changed interests, look at everything and emit it as figures.

        Raises:
            azure.core.exceptions.AzureError: Storage failed, as far as it is needed for asking.
        """
        await asyncio.gather(self.probe.probe(), self.interests.check())
        report = await self._look()
        for name in ("queues", "poison"):
            for queue, depth in report.checks[name].details.items():
                self._emit_depth(queue, depth)
        instruments.quota_used.set(report.checks["quota"].details.get("usedLastMinute", 0))
        for name, check in report.checks.items():
            instruments.health.set(int(check.status is not Status.FAILED), {"check": name})
        instruments.health.set(int(report.status is not Status.FAILED), {"check": "all"})
        level = {Status.OK: logging.INFO, Status.WARNING: logging.WARNING, Status.FAILED: logging.ERROR}
        problems = "".join(
            f"; {name}: {check.problem}" for name, check in report.checks.items() if check.problem
        )
        logger.log(level[report.status], "health=%s%s", report.status, problems)
        return report

    @staticmethod
    def _emit_depth(queue: str, depth: Depth) -> None:
        instruments.queue_depth.set(depth.messages, {"queue": queue})
        instruments.queue_oldest_age.set(depth.oldest_seconds or 0.0, {"queue": queue})

    async def _look(self) -> Report:
        looks: Mapping[str, Callable[[], Awaitable[Mapping[str, Check]]]] = {
            "storage": self._storage,
            "queues": self._queues,
            "videoIndexer": self._video_indexer,
            "interests": self._interests,
            "callbacks": self._callbacks,
            "reconciliation": self._reconciliation,
            "quota": self._quota,
        }
        found = await asyncio.gather(*(_looked(name, look) for name, look in looks.items()))
        return checks.report({name: check for part in found for name, check in part.items()}, self.clock())

    async def _storage(self) -> Mapping[str, Check]:
        began = time.perf_counter()
        await self.interests.etag()
        return {
            "storage": Check(
                status=Status.OK, details={"milliseconds": round((time.perf_counter() - began) * 1000)}
            )
        }

    async def _queues(self) -> Mapping[str, Check]:
        depths = await self.depths.read()
        return {
            "queues": checks.judge_queues(depths),
            "poison": checks.judge_poison(depths),
        }

    async def _video_indexer(self) -> Mapping[str, Check]:
        return {"videoIndexer": checks.judge_video_indexer(await self.probe.last())}

    async def _interests(self) -> Mapping[str, Check]:
        status = await self.interests.status.read()
        return {"interests": checks.judge_interests(status, await self.interests.etag())}

    async def _callbacks(self) -> Mapping[str, Check]:
        last = await self.last_signals.read("callback")
        return {"callbacks": checks.judge_callbacks(last, self.clock())}

    async def _reconciliation(self) -> Mapping[str, Check]:
        state = await self.reconciliation.read()
        return {"reconciliation": checks.judge_reconciliation(state, self.clock())}

    async def _quota(self) -> Mapping[str, Check]:
        return {"quota": checks.judge_quota(await self.quota.read(), self.clock())}


async def _looked(name: str, look: Callable[[], Awaitable[Mapping[str, Check]]]) -> Mapping[str, Check]:
    """What a look found; that it could not look is a failed check."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await look()
    except AzureError as error:
        problem = f"storage failed: {type(error).__name__}"
    except TimeoutError:
        problem = f"no answer within {LOOK_SECONDS:.0f} s"
    return {name: Check(status=Status.FAILED, problem=problem)}

"""The health report: for an operator, for alerts, and for a load balancer.

Everything is read from storage, where the instances note what they observed, so every instance reports the same.
`keywire.health.checks` decides what is ok.
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

# Frequent requests get the last report.
CACHE_SECONDS: Final = 10.0
# The storage client retries for longer than a caller waits.
CHECK_SECONDS: Final = 15.0

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Health:
    """Runs the checks.

    Attributes:
        depths: The depths of the queues.
        probe: The probe of Video Indexer.
        interests: The interests file, and the result of the last read.
        last_signals: The times of the last signals.
        reconciliation: The state of reconciliation.
        quota: The quota ledger.
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
    _cache: list[tuple[float, Report]] = field(default_factory=list)

    async def report(self) -> Report:
        """Return the current report, up to `CACHE_SECONDS` old. A check that cannot run has failed."""
        async with self._lock:
            if not self._cache or time.monotonic() - self._cache[0][0] >= CACHE_SECONDS:
                report = await self._run_checks()
                # The age counts from the end: if storage fails, the checks take longer than `CACHE_SECONDS`.
                self._cache[:] = [(time.monotonic(), report)]
            return self._cache[0][1]

    async def measure(self) -> Report:
        """Probe Video Indexer, read a changed interests file, run all checks, and emit metrics.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take the result of the probe or of the read.
        """
        await asyncio.gather(self.probe.probe(), self.interests.refresh())
        report = await self._run_checks()
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

    async def _run_checks(self) -> Report:
        runs: Mapping[str, Callable[[], Awaitable[Mapping[str, Check]]]] = {
            "storage": self._storage,
            "queues": self._queues,
            "videoIndexer": self._video_indexer,
            "interests": self._interests,
            "callbacks": self._callbacks,
            "reconciliation": self._reconciliation,
            "quota": self._quota,
        }
        results = await asyncio.gather(*(_run(name, check) for name, check in runs.items()))
        return checks.report({name: check for part in results for name, check in part.items()}, self.clock())

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
            "queues": checks.check_queues(depths),
            "poison": checks.check_poison(depths),
        }

    async def _video_indexer(self) -> Mapping[str, Check]:
        return {"videoIndexer": checks.check_video_indexer(await self.probe.last())}

    async def _interests(self) -> Mapping[str, Check]:
        status = await self.interests.status.read()
        return {"interests": checks.check_interests(status, await self.interests.etag())}

    async def _callbacks(self) -> Mapping[str, Check]:
        last = await self.last_signals.read("callback")
        return {"callbacks": checks.check_callbacks(last, self.clock())}

    async def _reconciliation(self) -> Mapping[str, Check]:
        state = await self.reconciliation.read()
        return {"reconciliation": checks.check_reconciliation(state, self.clock())}

    async def _quota(self) -> Mapping[str, Check]:
        return {"quota": checks.check_quota(await self.quota.read(), self.clock())}


async def _run(name: str, check: Callable[[], Awaitable[Mapping[str, Check]]]) -> Mapping[str, Check]:
    """Run a check; if storage fails or does not answer in time, the check has failed."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except AzureError as error:
        problem = f"storage failed: {type(error).__name__}"
    except TimeoutError:
        problem = f"no answer within {CHECK_SECONDS:.0f} s"
    return {name: Check(status=Status.FAILED, problem=problem)}

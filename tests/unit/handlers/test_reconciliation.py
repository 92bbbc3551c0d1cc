"""The timer of reconciliation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.reconciliation import reconciliation
from keywire.services.services import Services
from keywire.video_indexer.errors import TransientError
from tests.support.builders import TRACEPARENT
from tests.support.invocations import invocation, timer


class RecordingReconciliation:
    """A reconciliation that records when it runs, and fails if told to. It compares nothing."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.runs: list[tuple[datetime, str | None]] = []

    async def reconcile(self, now: datetime, *, traceparent: str | None) -> None:
        self.runs.append((now, traceparent))
        if self._failure is not None:
            raise self._failure


async def test_a_run_reconciles_now_and_flushes_the_metrics(services: Services, flushes: list[Any]) -> None:
    recording = RecordingReconciliation()
    vars(services.timers)["reconciliation"] = recording
    await reconciliation(timer(), invocation())
    ((now, traceparent),) = recording.runs
    assert timedelta() <= datetime.now(UTC) - now < timedelta(minutes=1)
    assert traceparent == TRACEPARENT
    assert len(flushes) == 1


async def test_a_run_that_fails_flushes_the_metrics_and_the_host_sees_it(
    services: Services, flushes: list[Any]
) -> None:
    vars(services.timers)["reconciliation"] = RecordingReconciliation(TransientError("no page"))
    with pytest.raises(TransientError):
        await reconciliation(timer(), invocation())
    assert len(flushes) == 1

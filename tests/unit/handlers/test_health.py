"""The health report, its one-word form, and the timer that measures."""

from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from handlers.health import health, healthz, measure
from keywire.health.checks import Check, Report, Status
from keywire.services.services import Services
from tests.support.invocations import body_of, http_request, timer

STATUSES = [(Status.OK, 200), (Status.WARNING, 200), (Status.FAILED, 503)]


class StaticHealth:
    """A health check with one result; `failure` is raised instead by `measure`."""

    def __init__(self, status: Status = Status.OK, failure: Exception | None = None) -> None:
        check = Check(status=status, problem=None if status is Status.OK else "the queue is long")
        self._report = Report(
            status=status, checked_at=datetime(2026, 3, 2, tzinfo=UTC), checks={"queues": check}
        )
        self._failure = failure
        self.measured = 0

    async def report(self) -> Report:
        return self._report

    async def measure(self) -> Report:
        self.measured += 1
        if self._failure is not None:
            raise self._failure
        return self._report


@pytest.mark.parametrize(("status", "http_status"), STATUSES)
async def test_the_report_has_every_check_and_is_not_cached(
    services: Services, status: Status, http_status: int
) -> None:
    vars(services.http)["health"] = StaticHealth(status)
    response = await health(http_request())
    body = body_of(response)
    assert response.status_code == http_status
    assert response.headers["Cache-Control"] == "no-store"
    assert (body["status"], body["checkedAt"]) == (status, "2026-03-02T00:00:00Z")
    assert body["checks"]["queues"]["status"] == status


@pytest.mark.parametrize(("status", "http_status"), STATUSES)
async def test_healthz_is_one_word_without_details(
    services: Services, status: Status, http_status: int
) -> None:
    vars(services.http)["health"] = StaticHealth(status)
    response = await healthz(http_request())
    assert response.status_code == http_status
    assert response.headers["Cache-Control"] == "no-store"
    assert response.mimetype == "text/plain"
    assert response.get_body() == f"{status}\n".encode()


async def test_the_timer_measures_and_flushes_the_metrics(services: Services, flushes: list[Any]) -> None:
    checks = StaticHealth()
    vars(services.timers)["health"] = checks
    await measure(timer())
    assert (checks.measured, len(flushes)) == (1, 1)


async def test_the_timer_flushes_the_metrics_even_if_it_fails(services: Services, flushes: list[Any]) -> None:
    vars(services.timers)["health"] = StaticHealth(failure=ServiceRequestError("no route to host"))
    with pytest.raises(ServiceRequestError):
        await measure(timer())
    assert len(flushes) == 1

"""What the routes of backfills and rematches share: unknown operations, and storage that fails."""

from collections.abc import Awaitable, Callable

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError

from handlers.backfill import backfill_status, start_backfill
from handlers.rematch import rematch_status, start_rematch
from keywire.services.services import Services
from tests.support.invocations import body_of, http_request, invocation
from tests.support.memory_storage import MemoryStorage

OPERATION = "0" * 32
NOT_AN_ID = "../../config/interests"

type Start = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]
type Status = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


@pytest.mark.parametrize("operation_id", [OPERATION, NOT_AN_ID])
@pytest.mark.parametrize("status", [backfill_status, rematch_status])
async def test_the_status_of_an_unknown_operation_is_not_found(
    services: Services, status: Status, operation_id: str
) -> None:
    response = await status(http_request(route={"operation_id": operation_id}))
    assert response.status_code == 404


@pytest.mark.parametrize("status", [backfill_status, rematch_status])
async def test_an_id_that_is_not_an_operations_is_not_looked_up(
    services: Services, storage: MemoryStorage, status: Status
) -> None:
    storage.failures["control"] = ServiceRequestError("no route to host")
    response = await status(http_request(route={"operation_id": NOT_AN_ID}))
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("kind", "start", "status"),
    [("backfill", start_backfill, backfill_status), ("rematch", start_rematch, rematch_status)],
)
async def test_a_storage_failure_asks_the_operator_to_retry(
    services: Services,
    storage: MemoryStorage,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    start: Start,
    status: Status,
) -> None:
    storage.failures["control"] = ServiceRequestError("no route to host")
    responses = [
        await start(http_request(), invocation()),
        await status(http_request(route={"operation_id": OPERATION})),
    ]
    assert [response.status_code for response in responses] == [503, 503]
    assert [response.headers["Retry-After"] for response in responses] == ["30", "30"]
    assert [body_of(each) for each in responses] == 2 * [{"error": "storage can't be reached"}]
    for function in (f"start_{kind}", f"{kind}_status"):
        assert f"{function} failed: ServiceRequestError" in caplog.text

"""The routes of a backfill.

What backfills and rematches share is in test_operation_routes.py, the queues in test_queue_functions.py.
"""

from datetime import UTC, datetime, timedelta

from handlers.backfill import backfill_status, start_backfill
from keywire.operations.backfill_orders import PageResult, decode_page
from keywire.reconciliation.counts import Counts
from keywire.services.services import Services
from tests.support.builders import TRACEPARENT
from tests.support.invocations import body_of, http_request, invocation
from tests.support.memory_storage import MemoryStorage


async def test_a_start_notes_the_order_and_queues_its_first_page(
    services: Services, storage: MemoryStorage
) -> None:
    body = {"from": "2026-03-02T08:00:00Z", "dryRun": True}
    response = await start_backfill(http_request(body=body), invocation())

    operation_id = body_of(response)["operationId"]
    location = f"/api/operations/backfill/{operation_id}"
    assert response.status_code == 202
    assert response.headers["Location"] == location
    assert body_of(response) == {"operationId": operation_id, "dryRun": True, "status": location}
    (text,) = storage.sent["backfill-pages"]
    page = decode_page(text.encode())
    assert (page.operation_id, page.number, page.traceparent) == (operation_id, 1, TRACEPARENT)
    assert page.request.created_from == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert page.ordered_at is not None
    assert timedelta() <= datetime.now(UTC) - page.ordered_at < timedelta(minutes=1)
    assert decode_page(storage.blobs["control", f"backfill/{operation_id}/order.json"]) == page


async def test_a_request_that_is_not_a_backfill_is_refused(
    services: Services, storage: MemoryStorage
) -> None:
    response = await start_backfill(http_request(body={"since": "yesterday"}), invocation())
    assert response.status_code == 400
    assert body_of(response)["error"].startswith("not a backfill")
    assert (storage.sent, storage.blobs) == ({}, {})


async def test_the_status_adds_up_the_pages(services: Services, storage: MemoryStorage) -> None:
    started = await start_backfill(http_request(), invocation())
    operation_id = body_of(started)["operationId"]
    (text,) = storage.sent["backfill-pages"]
    page = decode_page(text.encode())
    await services.http.backfills.note(page, PageResult(counts=Counts(listed=5, missing=2), last=True))

    response = await backfill_status(http_request(route={"operation_id": operation_id}))
    assert response.status_code == 200
    status = body_of(response)
    assert (status["operationId"], status["done"]) == (operation_id, True)
    assert (status["pages"], status["listed"], status["found"]) == (1, 5, 2)

"""The routes of a rematch.

What backfills and rematches share is in test_operation_routes.py, the queue in test_queue_functions.py.
"""

from handlers.rematch import rematch_status, start_rematch
from keywire.operations.rematch_orders import PageResult, decode_page
from keywire.services.services import Services
from tests.support.builders import TRACEPARENT
from tests.support.invocations import body_of, http_request, invocation
from tests.support.memory_storage import MemoryStorage


async def test_a_start_notes_the_order_and_queues_its_first_page(
    services: Services, storage: MemoryStorage
) -> None:
    response = await start_rematch(
        http_request(body={"interests": ["weather"], "dryRun": True}), invocation()
    )

    body = body_of(response)
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/operations/rematch/{body['operationId']}"
    assert body == {
        "operationId": body["operationId"],
        "dryRun": True,
        "status": response.headers["Location"],
        "interests": {"stamp": None, "modifiedAt": None, "problem": None},
        "unknownInterests": ["weather"],
    }
    (text,) = storage.sent["rematch"]
    page = decode_page(text.encode())
    assert (page.operation_id, page.page, page.traceparent) == (body["operationId"], 1, TRACEPARENT)
    assert page.request.interests == ("weather",)
    assert page.ordered_at is not None
    assert decode_page(storage.blobs["control", f"rematch/{page.operation_id}/order.json"]) == page


async def test_a_request_that_is_not_a_rematch_is_refused(services: Services, storage: MemoryStorage) -> None:
    response = await start_rematch(http_request(body={"interests": []}), invocation())
    assert response.status_code == 400
    assert body_of(response)["error"].startswith("not a rematch")
    assert (storage.sent, storage.blobs) == ({}, {})


async def test_the_status_adds_up_the_pages(services: Services, storage: MemoryStorage) -> None:
    started = await start_rematch(http_request(), invocation())
    operation_id = body_of(started)["operationId"]
    (text,) = storage.sent["rematch"]
    result = PageResult(documents=7, matched=2, withdrawn=1, last=True)
    await services.http.rematches.note(decode_page(text.encode()), result)

    response = await rematch_status(http_request(route={"operation_id": operation_id}))
    assert response.status_code == 200
    assert body_of(response) == {
        "operationId": operation_id,
        "dryRun": False,
        "pages": 1,
        "documents": 7,
        "matched": 2,
        "withdrawn": 1,
        "done": True,
    }

"""Wiring of the operations that an operator starts by HTTP and a queue function carries out."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from keywire.operations import backfill_orders, rematch_orders
from keywire.operations.backfill_orders import BackfillPage
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import RematchPage, RematchRequest
from keywire.reconciliation.reconciliation import RematchVideos
from keywire.services.clients import Clients
from keywire.storage import layout


def backfills(clients: Clients) -> OperationLog[BackfillPage, backfill_orders.PageResult]:
    """Return the log of backfills."""
    return OperationLog(
        clients.control,
        clients.message_queue(layout.BACKFILL_PAGES_QUEUE),
        kind=layout.BACKFILL_FOLDER,
        decode=backfill_orders.decode_page,
        result_type=backfill_orders.PageResult,
    )


def rematch_videos(clients: Clients) -> RematchVideos:
    """Return what queues a rematch of some videos, outside of any order."""
    queue = clients.message_queue(layout.REMATCH_QUEUE)

    async def send(videos: Sequence[str], traceparent: str | None) -> None:
        page = RematchPage(
            operation_id=uuid.uuid4().hex,
            request=RematchRequest(),
            traceparent=traceparent,
            videos=tuple(videos),
            ordered_at=datetime.now(UTC),
        )
        await queue.send(msgspec.json.encode(page).decode())

    return send


def rematches(clients: Clients) -> OperationLog[RematchPage, rematch_orders.PageResult]:
    """Return the log of rematches."""
    return OperationLog(
        clients.control,
        clients.message_queue(layout.REMATCH_QUEUE),
        kind=layout.REMATCH_FOLDER,
        decode=rematch_orders.decode_page,
        result_type=rematch_orders.PageResult,
    )

"""Backfills as an operator meets them: ordered, and asked how far they are.

What a page does is in `backfill_pages`, which an HTTP process doesn't need.
"""

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from keywire.operations.backfill_orders import (
    BackfillPage,
    BackfillRequest,
    BackfillStatus,
    PageResult,
    read_page,
)
from keywire.operations.operation_log import OperationLog
from keywire.reconciliation.counts import Counts

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient


class Backfills:
    """Backfills of an account.

    Args:
        control: The container `control`, where orders and results are noted.
        queue: The queue `backfill-pages`; its client encodes with base64.
    """

    def __init__(self, control: "ContainerClient", queue: "QueueClient") -> None:
        self._log = OperationLog(control, queue, kind="backfill", result_type=PageResult)

    async def start(self, operation_id: str, request: BackfillRequest, traceparent: str | None) -> None:
        """Note a backfill and queue its first page."""
        first = BackfillPage(operation_id=operation_id, request=request, traceparent=traceparent)
        await self._log.order(operation_id, first)

    async def send(self, page: BackfillPage) -> None:
        """Queue a page."""
        await self._log.send(page)

    async def is_noted(self, page: BackfillPage) -> bool:
        """Whether the page is done."""
        return await self._log.is_noted(page.operation_id, page.cursor.pages + 1)

    async def note(self, page: BackfillPage, result: PageResult) -> None:
        """Note what a page came to."""
        await self._log.note(page.operation_id, page.cursor.pages + 1, result)

    async def status(self, operation_id: str) -> BackfillStatus | None:
        """How far a backfill is; None where there is none of that id."""
        noted = await self._log.read(operation_id)
        if noted is None:
            return None
        order, results = noted
        counts = reduce(add, (result.counts for result in results), Counts())
        return BackfillStatus(
            operation_id=operation_id,
            dry_run=read_page(order).request.dry_run,
            pages=len(results),
            listed=counts.listed,
            unreadable=counts.unreadable,
            found=counts.found,
            missing=counts.missing,
            unpublished=counts.unpublished,
            outdated=counts.outdated,
            done=any(result.last for result in results),
        )

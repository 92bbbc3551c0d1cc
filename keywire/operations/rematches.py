"""Rematches as an operator meets them: ordered, and asked how far they are.

What a page does is in `rematch_pages`, which an HTTP process doesn't need.
"""

from typing import TYPE_CHECKING

from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import (
    PageResult,
    RematchPage,
    RematchRequest,
    RematchStatus,
    read_page,
)

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient


class Rematches:
    """Rematches of an account.

    Args:
        control: The container `control`, where orders and results are noted.
        queue: The queue `rematch`; its client encodes with base64.
    """

    def __init__(self, control: "ContainerClient", queue: "QueueClient") -> None:
        self._log = OperationLog(control, queue, kind="rematch", result_type=PageResult)

    async def start(self, operation_id: str, request: RematchRequest, traceparent: str | None) -> None:
        """Note a rematch and queue its first page."""
        first = RematchPage(operation_id=operation_id, request=request, traceparent=traceparent)
        await self._log.order(operation_id, first)

    async def send(self, page: RematchPage) -> None:
        """Queue a page."""
        await self._log.send(page)

    async def is_noted(self, page: RematchPage) -> bool:
        """Whether the page is done."""
        return await self._log.is_noted(page.operation_id, page.page)

    async def note(self, page: RematchPage, result: PageResult) -> None:
        """Note what a page came to."""
        await self._log.note(page.operation_id, page.page, result)

    async def status(self, operation_id: str) -> RematchStatus | None:
        """How far a rematch is; None where there is none of that id."""
        noted = await self._log.read(operation_id)
        if noted is None:
            return None
        order, results = noted
        return RematchStatus(
            operation_id=operation_id,
            dry_run=read_page(order).request.dry_run,
            pages=len(results),
            documents=sum(result.documents for result in results),
            matched=sum(result.matched for result in results),
            withdrawn=sum(result.withdrawn for result in results),
            done=any(result.last for result in results),
        )

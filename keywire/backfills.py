"""Backfills as an operator meets them: ordered, and asked how far they are.

Notes lie in `control/backfill/`. What a page does is in `backfill_pages`, which an HTTP process doesn't need.
"""

from collections.abc import AsyncIterator
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.backfill_orders import BackfillPage, BackfillRequest, BackfillStatus, PageResult, read_page
from keywire.publishers import KEEP_FOREVER
from keywire.sweep_counts import Counts

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
        self._control = control
        self._queue = queue

    async def start(self, operation_id: str, request: BackfillRequest, traceparent: str | None) -> None:
        """Note a backfill and queue its first page."""
        page = BackfillPage(operation_id=operation_id, request=request, traceparent=traceparent)
        await self._control.upload_blob(_order(operation_id), msgspec.json.encode(page), overwrite=True)
        await self.send(page)

    async def send(self, page: BackfillPage) -> None:
        """Queue a page."""
        await self._queue.send_message(msgspec.json.encode(page).decode(), time_to_live=KEEP_FOREVER)

    async def is_noted(self, page: BackfillPage) -> bool:
        """Whether the page is done."""
        return await self._control.get_blob_client(_result(page)).exists()

    async def note(self, page: BackfillPage, result: PageResult) -> None:
        """Note what a page came to."""
        await self._control.upload_blob(_result(page), msgspec.json.encode(result), overwrite=True)

    async def status(self, operation_id: str) -> BackfillStatus | None:
        """How far a backfill is; None where there is none of that id."""
        try:
            order = await self._read(_order(operation_id))
        except ResourceNotFoundError:
            return None
        results = [
            msgspec.json.decode(await self._read(name), type=PageResult)
            async for name in self._results(operation_id)
        ]
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

    async def _results(self, operation_id: str) -> AsyncIterator[str]:
        async for name in self._control.list_blob_names(name_starts_with=f"{_folder(operation_id)}page-"):
            yield name

    async def _read(self, name: str) -> bytes:
        return await (await self._control.download_blob(name)).readall()


def _folder(operation_id: str) -> str:
    return f"backfill/{operation_id}/"


def _order(operation_id: str) -> str:
    return f"{_folder(operation_id)}order.json"


def _result(page: BackfillPage) -> str:
    return f"{_folder(page.operation_id)}page-{page.cursor.pages + 1:06d}.json"

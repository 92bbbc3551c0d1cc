"""A rematch of the whole account, a page of documents at a time.

Each page is a message on the queue `rematch`, and puts the next one there before it notes its own result: a
page that is done again finds nothing new, and a page whose result is noted is not done again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.publishers import KEEP_FOREVER
from keywire.rematch import Counts, Rematch
from keywire.rematch_orders import PageResult, RematchPage, RematchRequest, RematchStatus, read_page
from keywire.store import video_of

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient

PAGE_DOCUMENTS: Final = 100
# Documents of one page that are matched at the same time.
AT_ONCE: Final = 8

logger: Final = logging.getLogger(__name__)


class RematchPages:
    """Rematches of an account.

    Args:
        rematch: What is done with each document.
        documents: The container `keywords`.
        control: The container `control`, where results are noted.
        queue: The queue `rematch`; its client encodes with base64.
        account_id: The Video Indexer account.
    """

    def __init__(
        self,
        rematch: Rematch,
        documents: "ContainerClient",
        control: "ContainerClient",
        queue: "QueueClient",
        account_id: str,
    ) -> None:
        self._rematch = rematch
        self._documents = documents
        self._control = control
        self._queue = queue
        self._account_id = account_id

    async def start(self, operation_id: str, request: RematchRequest, traceparent: str | None) -> None:
        """Note a rematch and queue its first page."""
        page = RematchPage(operation_id=operation_id, request=request, traceparent=traceparent)
        await self._control.upload_blob(_order(operation_id), msgspec.json.encode(page), overwrite=True)
        await self._send(page)

    async def run(self, page: RematchPage) -> None:
        """Do a page, unless that is done.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the page can be done again.
        """
        result = self._control.get_blob_client(_result(page.operation_id, page.page))
        if await result.exists():
            return
        videos, marker = await self._list(page.marker)
        counts = await self._match(videos, page)
        if marker is not None:
            await self._send(msgspec.structs.replace(page, page=page.page + 1, marker=marker))
        found = PageResult(
            documents=counts.documents,
            matched=counts.matched,
            withdrawn=counts.withdrawn,
            last=marker is None,
        )
        await result.upload_blob(msgspec.json.encode(found), overwrite=True)
        logger.info(
            "rematch=%s page=%d dry_run=%s documents=%d matched=%d withdrawn=%d",
            page.operation_id,
            page.page,
            page.request.dry_run,
            counts.documents,
            counts.matched,
            counts.withdrawn,
        )

    async def status(self, operation_id: str) -> RematchStatus | None:
        """How far a rematch is; None where there is none of that id."""
        try:
            order = await self._read(_order(operation_id))
        except ResourceNotFoundError:
            return None
        results = [
            msgspec.json.decode(await self._read(name), type=PageResult)
            async for name in self._results(operation_id)
        ]
        return RematchStatus(
            operation_id=operation_id,
            dry_run=read_page(order).request.dry_run,
            pages=len(results),
            documents=sum(result.documents for result in results),
            matched=sum(result.matched for result in results),
            withdrawn=sum(result.withdrawn for result in results),
            done=any(result.last for result in results),
        )

    async def _list(self, marker: str | None) -> tuple[list[str], str | None]:
        pages = self._documents.list_blob_names(
            name_starts_with=f"{self._account_id}/", results_per_page=PAGE_DOCUMENTS
        ).by_page(marker)
        names = [name async for name in await anext(pages)]
        videos = [video for name in names if (video := video_of(name))]
        # The SDK's pages are an iterator that knows where the next one begins; its types don't say so.
        return videos, getattr(pages, "continuation_token", None) or None

    async def _match(self, videos: Sequence[str], page: RematchPage) -> Counts:
        slots = asyncio.Semaphore(AT_ONCE)

        async def match(video_id: str) -> Counts:
            async with slots:
                return await self._rematch.run(
                    video_id,
                    only=page.request.interests,
                    dry_run=page.request.dry_run,
                    traceparent=page.traceparent,
                )

        async with asyncio.TaskGroup() as matching:
            tasks = [matching.create_task(match(video_id)) for video_id in videos]
        return sum((task.result() for task in tasks), Counts())

    async def _results(self, operation_id: str) -> AsyncIterator[str]:
        async for name in self._control.list_blob_names(name_starts_with=f"{_folder(operation_id)}page-"):
            yield name

    async def _read(self, name: str) -> bytes:
        return await (await self._control.download_blob(name)).readall()

    async def _send(self, page: RematchPage) -> None:
        await self._queue.send_message(msgspec.json.encode(page).decode(), time_to_live=KEEP_FOREVER)


def _folder(operation_id: str) -> str:
    return f"rematch/{operation_id}/"


def _order(operation_id: str) -> str:
    return f"{_folder(operation_id)}order.json"


def _result(operation_id: str, page: int) -> str:
    return f"{_folder(operation_id)}page-{page:06d}.json"

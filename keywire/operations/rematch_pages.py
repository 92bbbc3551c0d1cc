"""A page of a rematch of the whole account: so many documents, and the message for the next ones.

A page puts the next one on the queue before it notes its own result: a page that is done again finds nothing
new, and a page whose result is noted is not done again.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.in_parallel import for_each
from keywire.operations.rematch import Counts, Rematch
from keywire.operations.rematch_orders import PageResult, RematchPage
from keywire.operations.rematches import Rematches
from keywire.versions.store import video_id_of

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

PAGE_DOCUMENTS: Final = 100
# Documents of one page that are matched at the same time.
AT_ONCE: Final = 8

logger: Final = logging.getLogger(__name__)


class RematchPages:
    """Does pages of rematches.

    Args:
        rematch: What is done with each document.
        documents: The container `keywords`.
        rematches: Where pages come from, and where their results go.
        account_id: The Video Indexer account.
    """

    def __init__(
        self, rematch: Rematch, documents: "ContainerClient", rematches: Rematches, account_id: str
    ) -> None:
        self._rematch = rematch
        self._documents = documents
        self._rematches = rematches
        self._account_id = account_id

    async def match_page(self, page: RematchPage) -> None:
        """Do a page, unless that is done.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the page can be done again.
        """
        if await self._rematches.is_noted(page):
            return
        videos, marker = await self._list(page.marker)
        counts = await self._match(videos, page)
        if marker is not None:
            await self._rematches.send(msgspec.structs.replace(page, page=page.page + 1, marker=marker))
        found = PageResult(
            documents=counts.documents,
            matched=counts.matched,
            withdrawn=counts.withdrawn,
            last=marker is None,
        )
        await self._rematches.note(page, found)
        logger.info(
            "rematch=%s page=%d dry_run=%s documents=%d matched=%d withdrawn=%d",
            page.operation_id,
            page.page,
            page.request.dry_run,
            counts.documents,
            counts.matched,
            counts.withdrawn,
        )

    async def _list(self, marker: str | None) -> tuple[list[str], str | None]:
        pages = self._documents.list_blob_names(
            name_starts_with=f"{self._account_id}/", results_per_page=PAGE_DOCUMENTS
        ).by_page(marker)
        names = [name async for name in await anext(pages)]
        videos = [video for name in names if (video := video_id_of(name))]
        # The SDK's pages are an iterator that knows where the next one begins; its types don't say so.
        return videos, getattr(pages, "continuation_token", None) or None

    async def _match(self, videos: Sequence[str], page: RematchPage) -> Counts:
        counts: list[Counts] = []

        async def match(video_id: str) -> None:
            done = await self._rematch.rematch(
                video_id,
                only=page.request.interests,
                dry_run=page.request.dry_run,
                traceparent=page.traceparent,
            )
            counts.append(done)

        await for_each(videos, match, at_once=AT_ONCE)
        return sum(counts, Counts())

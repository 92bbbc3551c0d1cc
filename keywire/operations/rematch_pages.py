"""Pages of a rematch: a page matches a number of documents and queues the next page."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.in_parallel import for_each
from keywire.interests.source import InForce
from keywire.interests.status import FullRematch
from keywire.jobs.message import without_failures
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch import Counts, Rematch
from keywire.operations.rematch_orders import PageResult, RematchPage
from keywire.storage.notes import Note
from keywire.versions.current import video_id_of

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

PAGE_DOCUMENTS: Final = 100
# Documents of one page that are matched at the same time.
CONCURRENCY: Final = 8

logger: Final = logging.getLogger(__name__)


class RematchPages:
    """Processes the pages of rematches.

    Args:
        rematch: What is done with each document.
        documents: The container `keywords`.
        log: The orders and results.
        completed: The note about the last full rematch that was completed.
        account_id: The Video Indexer account.
        clock: The time now (UTC).
    """

    def __init__(
        self,
        rematch: Rematch,
        documents: "ContainerClient",
        log: OperationLog[RematchPage, PageResult],
        completed: Note[FullRematch],
        account_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rematch = rematch
        self._documents = documents
        self._log = log
        self._completed = completed
        self._clock = clock
        self._account_id = account_id

    async def match_page(self, page: RematchPage) -> None:
        """Match the documents of a page, unless that is done.

        Raises:
            TransientError: Other jobs kept changing a document.
            azure.core.exceptions.AzureError: Storage failed; the page can be done again.
        """
        if page.videos is not None:
            await self._match(page.videos, page, await self._rematch.interests.current())
            return
        if await self._log.is_done(page):
            return
        in_force = await self._rematch.interests.current()
        if page.interests_stamp not in {None, in_force.stamp}:
            logger.warning(
                "rematch=%s page=%d uses interests=%s, other ones than when it was ordered",
                page.operation_id,
                page.number,
                in_force.stamp,
            )
        videos, marker = await self._list(page.marker)
        counts = await self._match(videos, page, in_force)
        if marker is not None:
            following = msgspec.structs.replace(page, page=page.page + 1, marker=marker)
            await self._log.send(without_failures(following))
        elif page.request.interests is None and not page.request.dry_run:
            await self._completed.write(FullRematch(interests_stamp=in_force.stamp, at=self._clock()))
        result = PageResult(
            documents=counts.documents,
            matched=counts.matched,
            withdrawn=counts.withdrawn,
            last=marker is None,
            interests_stamp=in_force.stamp,
        )
        await self._log.note(page, result)
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
        # The SDK's page iterator has the next page's marker; its types don't declare it.
        return videos, getattr(pages, "continuation_token", None) or None

    async def _match(self, videos: Sequence[str], page: RematchPage, in_force: InForce) -> Counts:
        counts: list[Counts] = []

        async def match(video_id: str) -> None:
            done = await self._rematch.rematch(
                video_id,
                in_force,
                only=page.request.interests,
                dry_run=page.request.dry_run,
                traceparent=page.traceparent,
            )
            counts.append(done)

        await for_each(videos, match, concurrency=CONCURRENCY)
        return sum(counts, Counts())

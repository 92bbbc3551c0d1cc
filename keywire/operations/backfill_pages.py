"""Backfill pages: queue jobs for videos that were indexed before Keywire was installed, or while it was down.

Each page of Video Indexer's list is a message on the queue `backfill-pages`. It queues the next page before it notes
its own result. A page that runs again may queue jobs again, which end after one read; a page whose result is noted does
not run again. Jobs go to the queue `backfill`, so newly uploaded videos do not wait for them.
"""

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.jobs.message import without_failures
from keywire.operations.backfill_orders import BackfillPage, PageResult
from keywire.operations.operation_log import OperationLog
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.sweep import StatusLookup, Sweep, lookup_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keywire.reconciliation.comparison import DocumentStatus

# Documents whose status a process keeps for the pages of a backfill: about twenty megabytes.
MAX_KEPT_STATUSES: Final = 100_000

logger: Final = logging.getLogger(__name__)


class BackfillPages:
    """Processes the pages of backfills.

    Args:
        sweep: Compares pages and queues jobs.
        documents: Reads the status of documents.
        log: The orders, pages and results of backfills.
    """

    def __init__(
        self, sweep: Sweep, documents: DocumentMetadata, log: OperationLog[BackfillPage, PageResult]
    ) -> None:
        self._sweep = sweep
        self._documents = documents
        self._log = log
        # By operation; None if the account has too many documents.
        self._statuses: dict[str, Mapping[str, DocumentStatus] | None] = {}

    async def compare_page(self, page: BackfillPage) -> None:
        """Compare a page, queue its jobs and the next page, and note the result; skip a page whose result is noted.

        Raises:
            VideoIndexerError: The page could not be fetched; it can run again.
            azure.core.exceptions.AzureError: Storage failed; the page can run again.
        """
        if await self._log.is_done(page):
            return
        lookup = await self._lookup_for(page.operation_id)
        step = await self._sweep.compare_page(page.cursor, page.request.period, lookup)
        if not page.request.dry_run:
            await self._sweep.queue_jobs(step.findings, page.traceparent)
        if step.next is not None:
            await self._log.send(without_failures(msgspec.structs.replace(page, cursor=step.next)))
        else:
            self._statuses.clear()
        await self._log.note(page, PageResult(counts=step.counts, last=step.next is None))
        logger.info(
            "backfill=%s page=%d dry_run=%s listed=%d found=%d unreadable=%d",
            page.operation_id,
            page.cursor.pages + 1,
            page.request.dry_run,
            step.counts.listed,
            step.counts.found,
            step.counts.unreadable,
        )

    async def _lookup_for(self, operation_id: str) -> StatusLookup:
        """Return a lookup in one listing for all pages, or one request per video if the account is too large."""
        if operation_id not in self._statuses:
            self._statuses = {operation_id: await self._documents.read_all_up_to(MAX_KEPT_STATUSES)}
        statuses = self._statuses[operation_id]
        return self._documents.read if statuses is None else lookup_in(statuses)

"""A backfill of what was indexed before Keywire came, or while it was away, a page of the list at a time.

Each page is a message on the queue `backfill-pages`, and puts the next one there before it notes its own
result: a page that is done again queues little but what is looked at once more, and a page whose result is
noted is not done again. Jobs go to a queue of their own, so that no video that was uploaded just now waits.
"""

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.jobs.message import without_failures
from keywire.operations.backfill_orders import BackfillPage, PageResult
from keywire.operations.operation_log import OperationLog
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.sweep import StatusLookup, Sweep, known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keywire.reconciliation.comparison import DocumentStatus

# Documents whose marks a process holds for the pages of a backfill: some twenty megabytes.
MOST_HELD: Final = 100_000

logger: Final = logging.getLogger(__name__)


class BackfillPages:
    """Does pages of backfills.

    Args:
        sweep: The way through the list.
        marks: What the documents' metadata tells.
        log: The orders and results.
    """

    def __init__(
        self, sweep: Sweep, marks: DocumentMetadata, log: OperationLog[BackfillPage, PageResult]
    ) -> None:
        self._sweep = sweep
        self._marks = marks
        self._log = log
        self._held: dict[str, Mapping[str, DocumentStatus] | None] = {}

    async def compare_page(self, page: BackfillPage) -> None:
        """Do a page, unless that is done.

        Raises:
            VideoIndexerError: The page was not to be had; it can be done again.
            azure.core.exceptions.AzureError: Storage failed; the same.
        """
        if await self._log.is_done(page):
            return
        marks_of = await self._marks_for(page.operation_id)
        step = await self._sweep.compare(page.cursor, page.request.period, marks_of)
        if not page.request.dry_run:
            await self._sweep.send(step.findings, page.traceparent)
        if step.next is not None:
            await self._log.send(without_failures(msgspec.structs.replace(page, cursor=step.next)))
        else:
            self._held.clear()
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

    async def _marks_for(self, operation_id: str) -> StatusLookup:
        """What tells of documents: one list for all pages, or a request for each video of a huge account."""
        if operation_id not in self._held:
            self._held = {operation_id: await self._marks.all_up_to(MOST_HELD)}
        held = self._held[operation_id]
        return self._marks.of if held is None else known(held)

"""Wiring of sweeps over Video Indexer's list, which reconciliation and backfill share."""

from functools import partial

from keywire.jobs.job import Signal
from keywire.jobs.queue import JobQueue
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.sweep import Sweep
from keywire.services.clients import Clients
from keywire.storage.layout import BACKFILL_QUEUE
from keywire.video_indexer.listing import list_videos


def sweep(clients: Clients, queue: str, signal: Signal) -> Sweep:
    """Return a sweep whose first jobs go to `queue`, and further ones to the backfill queue."""
    return Sweep(
        videos=partial(list_videos, clients.video_indexer.in_lane("backfill")),
        queue=JobQueue(clients.message_queue(queue)),
        backlog=JobQueue(clients.message_queue(BACKFILL_QUEUE)),
        signal=signal,
    )


def document_metadata(clients: Clients) -> DocumentMetadata:
    """Return the reader of the documents' metadata."""
    return DocumentMetadata(clients.keywords, clients.settings.video_indexer.account_id)

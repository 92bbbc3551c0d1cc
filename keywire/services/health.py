"""Wiring of the health check, which HTTP functions and a timer share."""

from keywire.health.health import Health
from keywire.health.interest_check import InterestCheck
from keywire.health.probe import Probe, ProbeResult
from keywire.health.queue_depths import QueueDepths
from keywire.interests.status import InterestStatus
from keywire.reconciliation.state import State
from keywire.services.clients import Clients
from keywire.signals.last_seen import LastSignals
from keywire.storage import layout
from keywire.storage.notes import Note
from keywire.video_indexer.quota_ledger import Ledger


def health(clients: Clients) -> Health:
    """Return the health check."""
    control = clients.control
    return Health(
        depths=QueueDepths(queues={name: clients.queue(name, encoded=False) for name in layout.ALL_QUEUES}),
        probe=Probe(
            client=lambda: clients.video_indexer,
            note=Note(control.get_blob_client(layout.VIDEO_INDEXER_BLOB), ProbeResult),
        ),
        interests=InterestCheck(
            file=clients.blobs.get_blob_client(layout.CONFIG_CONTAINER, layout.INTERESTS_BLOB),
            status=Note(control.get_blob_client(layout.INTERESTS_STATUS_BLOB), InterestStatus),
        ),
        last_signals=LastSignals(control),
        reconciliation=Note(control.get_blob_client(layout.RECONCILIATION_BLOB), State),
        quota=Note(control.get_blob_client(layout.QUOTA_BLOB), Ledger),
    )

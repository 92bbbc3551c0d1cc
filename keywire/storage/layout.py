"""Where everything is stored: the names of containers, queues and control blobs, each defined once."""

from typing import Final

# Containers of the insights storage account.
KEYWORDS_CONTAINER: Final = "keywords"
HISTORY_CONTAINER: Final = "keywords-history"
CONFIG_CONTAINER: Final = "config"
CONTROL_CONTAINER: Final = "control"
CONTAINERS: Final = (KEYWORDS_CONTAINER, HISTORY_CONTAINER, CONFIG_CONTAINER, CONTROL_CONTAINER)

# Blobs: the interests file is in `config`, the copy of the last good one and everything else in `control`.
INTERESTS_BLOB: Final = "interests.json"
INTERESTS_STATUS_BLOB: Final = "interests-status.json"
FULL_REMATCH_BLOB: Final = "rematch-completed.json"
QUOTA_BLOB: Final = "quota.json"
RECONCILIATION_BLOB: Final = "reconciliation.json"
RECONCILIATION_LOCK_BLOB: Final = "reconciliation.lock"
# The videos that the full sweep under way has seen in the list, one id a line.
RECONCILIATION_LISTED_BLOB: Final = "reconciliation-listed.txt"
VIDEO_INDEXER_BLOB: Final = "video-indexer.json"
LAST_SIGNALS_FOLDER: Final = "last-signals"
BACKFILL_FOLDER: Final = "backfill"
REMATCH_FOLDER: Final = "rematch"
REPLAYS_FOLDER: Final = "replays"

# Queues. Functions read the work queues (the last one delivers to the Event Grid topic); consumers read the events.
EXTRACTION_QUEUE: Final = "extraction"
BACKFILL_QUEUE: Final = "backfill"
BACKFILL_PAGES_QUEUE: Final = "backfill-pages"
REMATCH_QUEUE: Final = "rematch"
EVENTS_QUEUE: Final = "personalization-events"
EVENT_GRID_QUEUE: Final = "deliver-event-grid"
# Records of Video Indexer's log that could not be read or queued; an Event Hub has no poison queue.
DIAGNOSTICS_POISON_QUEUE: Final = "diagnostics-poison"

# The default time to live deletes a message that is not read within seven days.
KEEP_FOREVER: Final = -1


def poison_queue(queue: str) -> str:
    """Return the name of a queue's poison queue, as the Functions host forms it."""
    return f"{queue}-poison"


WORK_QUEUES: Final = (
    EXTRACTION_QUEUE,
    BACKFILL_QUEUE,
    BACKFILL_PAGES_QUEUE,
    REMATCH_QUEUE,
    EVENT_GRID_QUEUE,
)
POISON_QUEUES: Final = (*map(poison_queue, WORK_QUEUES), DIAGNOSTICS_POISON_QUEUE)
ALL_QUEUES: Final = (*WORK_QUEUES, EVENTS_QUEUE, *POISON_QUEUES)

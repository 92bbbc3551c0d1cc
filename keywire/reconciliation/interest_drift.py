"""Interest drift: documents that were matched with other interests than they should have been. Pure.

Editors expect a rematch to be ordered after an edit, so an older stamp alone is not a finding. A document is behind if
it was matched at about the time of the edit or later, by a process that did not have the new file yet; or if the last
full rematch should have reached it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from keywire.documents.content import REMOVED_STATE
from keywire.reconciliation.comparison import DocumentStatus

# A page of a rematch looks at the file once and may run for this long.
MARGIN: Final = timedelta(minutes=5)


def behind(
    statuses: Mapping[str, DocumentStatus],
    *,
    stamp: str,
    modified_at: datetime,
    full_rematch: str | None,
) -> list[str]:
    """Return the videos whose documents have to be matched again, sorted.

    Args:
        statuses: The documents' metadata, by video.
        stamp: The stamp of the interests in force.
        modified_at: When their file was written, on storage's clock (UTC).
        full_rematch: The stamp that the last completed full rematch used; None if there was none.
    """
    edited = (modified_at - MARGIN).timestamp()
    return sorted(
        video_id
        for video_id, status in statuses.items()
        if status.state != REMOVED_STATE
        and status.stamp != stamp
        and (
            (status.matched_at is not None and status.matched_at > edited)
            or (full_rematch is not None and status.stamp != full_rematch)
        )
    )

"""Video Indexer's clock, estimated from the `Date` header of its answers.

A document notes up to which moment on Video Indexer's clock it is current. Reconciliation compares that moment with
`lastIndexed`, the start of the last indexing. A callback names no moment, so the time of the request counts, converted
to Video Indexer's clock. Without an answer the conversion subtracts as much as two clocks may differ; with a `Date` it
subtracts little. Minutes matter: a short video is indexed in less than five, its document would seem older than its
indexing, and reconciliation would ask a second time.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Covers the clock difference between the server that writes `Date` and the one that writes `lastIndexed`, and the time
# between the start of an indexing and the moment from which the index shows it. Few videos are indexed in less: the API
# portal's own example of 13 seconds took 2:33 minutes.
MARGIN: Final = timedelta(minutes=1)
# How far its clock and ours may differ, until an answer has a `Date`.
CLOCK_DIFFERENCE: Final = timedelta(minutes=5)


class ServiceTime:
    """Converts times from our clock to Video Indexer's.

    Args:
        clock: The time on our clock in Unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ahead = -CLOCK_DIFFERENCE

    def observe(self, date: str | None) -> None:
        """Set the difference from the `Date` of an answer that arrives now; ignore an unreadable one."""
        try:
            theirs = parsedate_to_datetime(date or "")
        except ValueError:
            return
        # `Date` was written before it arrived, and it has whole seconds: the true difference is not less than this.
        ours = datetime.fromtimestamp(self._clock(), UTC)
        self._ahead = theirs.replace(tzinfo=theirs.tzinfo or UTC) - ours - MARGIN

    def passed_at(self, moment: datetime) -> datetime:
        """Return a moment on Video Indexer's clock that had certainly passed at `moment` on ours."""
        return moment + self._ahead

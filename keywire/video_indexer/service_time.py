"""What time it is at Video Indexer, as the `Date` of its answers tells.

A document answers for a moment on Video Indexer's clock, and whether a video was indexed since is read there
too: `lastIndexed`, when its last indexing began. A callback names no moment. Then the document answers for
the time of the question: on our clock, less what two clocks may differ, or on Video Indexer's own, less
little. Minutes matter: a short video is indexed in less than five, and its document would seem older than
its indexing, so that reconciliation asks a second time.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Between its front, which writes `Date`, and what writes `lastIndexed` behind it; and between the beginning
# of an indexing and the moment from which on the index says so. Hardly a video is indexed in less: the API
# portal's own example, of 13 seconds, took 2:33 minutes.
MARGIN: Final = timedelta(minutes=1)
# Between its clock and ours, as long as no answer has told.
CLOCK_DIFFERENCE: Final = timedelta(minutes=5)


class ServiceTime:
    """Video Indexer's clock, seen from ours.

    Args:
        clock: Our time in Unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ahead = -CLOCK_DIFFERENCE

    def note(self, date: str | None) -> None:
        """Note the `Date` of an answer that arrives at this moment; anything else leaves all as it was."""
        try:
            told = parsedate_to_datetime(date or "")
        except ValueError:
            return
        # It was written before it arrived, and has no fractions: the true difference is not less than this.
        ours = datetime.fromtimestamp(self._clock(), UTC)
        self._ahead = told.replace(tzinfo=told.tzinfo or UTC) - ours - MARGIN

    def passed_at(self, moment: datetime) -> datetime:
        """A moment on its clock that had surely passed when it was `moment` on ours."""
        return moment + self._ahead

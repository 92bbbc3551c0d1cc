"""The account's rate limits: how many requests the data plane admits in any second and in any minute.

Separate because the windows slide: a client that only spreads its load over calendar minutes is still
refused. A refused request does not count, as in an API gateway's rate limit; one that keeps knocking is
admitted as soon as its window has room. Every request to the data plane counts, with whatever token.
"""

import math
from collections import deque

from emulators.framework.clock import Clock
from emulators.video_indexer.errors import too_many_requests


class RateLimit:
    """Two sliding windows over one account; None switches a window off."""

    def __init__(self, per_second: int | None, per_minute: int | None, clock: Clock) -> None:
        self.per_second = per_second
        self.per_minute = per_minute
        self._clock = clock
        self._admitted: deque[float] = deque()

    def admit(self) -> None:
        """Count one request, or raise the gateway's 429 with the seconds until there is room."""
        now = self._clock()
        while self._admitted and self._admitted[0] <= now - 60:
            self._admitted.popleft()
        room_at = max(self._room_at(self.per_second, 1, now), self._room_at(self.per_minute, 60, now))
        if room_at > now:
            raise too_many_requests(max(1, math.ceil(room_at - now)))
        if self.per_second is not None or self.per_minute is not None:
            self._admitted.append(now)

    def _room_at(self, limit: int | None, window: float, now: float) -> float:
        if limit is None or len(self._admitted) < limit:
            return now
        return self._admitted[-limit] + window

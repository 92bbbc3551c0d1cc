"""How long to wait before an empty queue is asked again: the extension's random exponential back-off.

0.1 s after a poll that found something, then the wait about doubles with each empty poll, a fifth of chance
in it, up to host.json's `maxPollingInterval`. Pure but for the chance, which is passed in.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_RANDOMIZATION: Final = 0.2
_MAX_EXPONENT: Final = 32


@dataclass(slots=True)
class Backoff:
    """The waits of one listener, in seconds."""

    maximum: float
    minimum: float = 0.1
    chance: Callable[[], float] = random.random
    _empty_polls: int = 0

    def next(self, *, found: bool) -> float:
        """The next wait; `found` when a message came since the last one."""
        if found:
            self._empty_polls = 0
        wait = self.minimum
        if self._empty_polls:
            factor = 1 + _RANDOMIZATION * (2 * self.chance() - 1)
            wait += self.minimum * factor * 2.0 ** min(self._empty_polls - 1, _MAX_EXPONENT)
        self._empty_polls += 1
        return min(wait, self.maximum)

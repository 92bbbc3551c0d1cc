"""Running an emulator without a socket and without waiting, for tests of it and of clients.

Separate from the emulators, which know nothing of it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

TURNS: Final = 1000  # of the event loop; whatever has not happened by then waits for something


class ManualClock:
    """A clock that stands still; sleepers wake up when it is moved past their time."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        """The time, in Unix seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved by `seconds`; nothing at all is one turn of the event loop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awakened = asyncio.Event()
        self._sleepers.append((self.now + seconds, awakened))
        await awakened.wait()

    def advance(self, seconds: float) -> None:
        """Move the clock and wake whoever has slept enough."""
        self.now += seconds
        for until, awakened in self._sleepers:
            if until <= self.now:
                awakened.set()


async def reaches(happened: Callable[[], bool]) -> None:
    """Let the emulator work until something has happened; TimeoutError where it never does."""
    for _ in range(TURNS):
        if happened():
            return
        await asyncio.sleep(0)
    raise TimeoutError("What was waited for did not happen.")

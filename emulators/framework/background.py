"""Work that goes on beside requests: tasks, each for somebody, begun on demand and ended at the end.

No start-up hook is needed, so that an application with such work also runs where there is none.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Background[T]:
    """The tasks that run.

    Args:
        ended: Told of whom a task was for, and the task, when it is done, cancelled or broken off.
    """

    def __init__(self, ended: Callable[[T, asyncio.Task[None]], None]) -> None:
        self._ended = ended
        self._running: dict[asyncio.Task[None], T] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, whose: T, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task."""
        task = asyncio.create_task(work)
        self._running[task] = whose
        task.add_done_callback(lambda done: self._ended(self._running.pop(done), done))

    def abandon(self, whose: T) -> None:
        """Cancel all that runs for somebody."""
        for task, other in self._running.items():
            if other is whose:
                task.cancel()

    async def stop(self) -> None:
        """Cancel everything and wait for its end."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

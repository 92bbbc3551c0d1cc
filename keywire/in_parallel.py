"""The same thing done with many, so many at once, and one error where several failed alike.

A task group raises a group of errors, which nobody above expects who handles storage's or Video Indexer's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable


async def for_each[T](items: Iterable[T], do: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Do it with every item; the first error ends all.

    Raises:
        Exception: What `do` raised first.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await do(item)

    try:
        async with asyncio.TaskGroup() as working:
            for _ in range(at_once):
                working.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None

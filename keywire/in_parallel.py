"""Process many items with limited concurrency, and raise the first error alone.

`asyncio.TaskGroup` raises an `ExceptionGroup`, which callers that handle errors of storage or Video Indexer do not
catch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable


async def for_each[T](
    items: Iterable[T], process: Callable[[T], Awaitable[None]], *, concurrency: int
) -> None:
    """Call `process` with every item, `concurrency` at a time; the first error cancels the others.

    Raises:
        Exception: The first error of `process`.
    """
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            await process(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None

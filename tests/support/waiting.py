"""Wait for a condition instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest

PATIENCE_SECONDS = 30.0


async def eventually(
    look: Callable[[], Any],
    what: str,
    log: Callable[[], str] = str,
    *,
    seconds: float = PATIENCE_SECONDS,
) -> Any:
    """Call `look` until its result is true, and return that; fail the test after `seconds`.

    Args:
        look: A function or a coroutine function.
        what: The condition, in words.
        log: Returns more text for the failure.
        seconds: How long to wait.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.02)
    pytest.fail(f"not after {seconds:.0f} s: {what}\n{log()}")

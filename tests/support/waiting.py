"""Waiting for what comes about by itself."""

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
    """What `look`, which may be a coroutine function, finds: asked until it is true, else the test fails."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.02)
    pytest.fail(f"not after {seconds:.0f} s: {what}\n{log()}")

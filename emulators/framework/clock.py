"""Where time comes from: everything that reads the time or waits is given these.

Separate, so that a test can hold both in its hand and nothing in it has to sleep.
"""

from collections.abc import Awaitable, Callable

type Clock = Callable[[], float]
"""The time in Unix seconds."""

type Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""

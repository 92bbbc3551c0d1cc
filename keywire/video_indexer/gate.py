"""The gate: every request to Video Indexer waits here for its slot in the account's rate limit."""

from typing import Protocol

from keywire.video_indexer.quota_ledger import Lane


class Gate(Protocol):
    """Lets requests pass one at a time; `QuotaGate` in production."""

    async def wait(self, lane: Lane) -> None:
        """Wait for a slot; the caller sends one request immediately afterwards.

        Raises:
            ThrottledError: The next slot is too far away: `retry_after` says how far. No slot was taken.
            TransientError: Too many other processes changed the ledger.
            azure.core.exceptions.AzureError: Storage failed.
        """

    async def check(self) -> None:
        """Return if the gate is not tripped; takes no slot.

        Raises:
            ThrottledError: It is tripped: `retry_after` says for how long.
            azure.core.exceptions.AzureError: Storage failed.
        """

    async def trip(self, until_seconds: float, *, reason: str = "") -> None:
        """Let no request of any process pass until a moment, as a circuit breaker.

        Args:
            until_seconds: The end, Unix seconds: after a 429 its Retry-After, after a misconfiguration the next try.
            reason: What an operator has to correct; empty after a 429.

        Raises:
            TransientError: Too many other processes changed the ledger; this process stops nevertheless.
            azure.core.exceptions.AzureError: Storage failed; this process stops nevertheless.
        """


class OpenGate:
    """A gate that is always open: for tests, and for tools that do not share the account."""

    async def wait(self, lane: Lane) -> None:
        """See `Gate`."""

    async def check(self) -> None:
        """See `Gate`."""

    async def trip(self, until_seconds: float, *, reason: str = "") -> None:
        """See `Gate`."""

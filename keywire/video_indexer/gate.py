"""The gate where a request to Video Indexer waits for its turn; `QuotaGate` in production."""

from typing import Protocol

from keywire.video_indexer.quota_ledger import Lane


class Gate(Protocol):
    """What lets requests pass, one at a time."""

    async def wait(self, lane: Lane) -> None:
        """Return when one request may be sent, which is now.

        Raises:
            ThrottledError: That is too far away; `retry_after` says how far. No slot was taken.
            azure.core.exceptions.AzureError: Storage failed, so nobody knows.
        """

    async def check(self) -> None:
        """Return where requests are let through at all; takes no slot.

        Raises:
            ThrottledError: All are stopped; `retry_after` says for how long.
            azure.core.exceptions.AzureError: Storage failed, so nobody knows.
        """

    async def trip(self, until_seconds: float, *, because: str = "") -> None:
        """Stop all processes until a moment (Unix seconds).

        Args:
            until_seconds: That of a 429 plus its Retry-After, or when a misconfiguration may be mended.
            because: What is wrong; empty where too much was asked.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; this process stops all the same.
        """


class OpenGate:
    """A gate that is always open: for tests, and for tools that have the account to themselves."""

    async def wait(self, lane: Lane) -> None:
        """See `Gate`."""

    async def check(self) -> None:
        """See `Gate`."""

    async def trip(self, until_seconds: float, *, because: str = "") -> None:
        """See `Gate`."""

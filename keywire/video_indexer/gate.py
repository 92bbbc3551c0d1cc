"""Where a request to Video Indexer waits for its turn; `keywire.quota.QuotaGate` in production."""

from typing import Protocol

from keywire.quota_slices import Lane


class Gate(Protocol):
    """What lets requests pass, one at a time."""

    async def wait(self, lane: Lane) -> None:
        """Return when one request may be sent, which is now.

        Raises:
            ThrottledError: That is too far away; `retry_after` says how far. No slot was taken.
            azure.core.exceptions.AzureError: Storage failed, so nobody knows.
        """

    async def note_throttled(self, until_seconds: float) -> None:
        """Stop all processes until a moment (Unix seconds): that of a 429 plus its Retry-After.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; this process stops all the same.
        """


class OpenGate:
    """A gate that is always open: for tests, and for tools that have the account to themselves."""

    async def wait(self, lane: Lane) -> None:
        """See `Gate`."""

    async def note_throttled(self, until_seconds: float) -> None:
        """See `Gate`."""

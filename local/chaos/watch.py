"""Looking at a run from outside while it goes on: Video Indexer's videos, and what is published of them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
from azure.core.exceptions import AzureError

from local.stack import LocalStack

LOOK_SECONDS: Final = 0.5
DOCUMENTS: Final = "keywords"


class StalledError(RuntimeError):
    """What was waited for did not come about; the message says what that was."""


class Watcher:
    """Looks again and again, and tells those who wait.

    Attributes:
        videos: What the emulator says of each video, by id.
        published: The version of each published document, by video; a document whose newest version is not
            published is left out.
    """

    def __init__(self, stack: LocalStack, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._http = http
        self._looked = asyncio.Condition()
        self.videos: Mapping[str, Mapping[str, Any]] = {}
        self.published: Mapping[str, int] = {}

    @contextlib.asynccontextmanager
    async def looking(self) -> Any:
        """Look while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(
        self, happened: Callable[[], bool | Awaitable[bool]], what: Callable[[], str] | str, *, seconds: float
    ) -> None:
        """Wait until something has happened, looked at anew each time.

        Raises:
            StalledError: It did not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = happened()
            if found if isinstance(found, bool) else await found:
                return
            if time.monotonic() >= deadline:
                said = what if isinstance(what, str) else what()
                raise StalledError(f"not after {seconds:.0f} s: {said}")
            async with self._looked:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(4 * LOOK_SECONDS):
                        await self._looked.wait()

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            await self._look()
            async with self._looked:
                self._looked.notify_all()
            # Looking at thousands of videos must not become the greater part of the load.
            await asyncio.sleep(max(LOOK_SECONDS, 5 * (time.monotonic() - began)))

    async def _look(self) -> None:
        told = (await self._http.get(f"{self._stack.video_indexer_url}/emulator/videos")).json()
        self.videos = {video["id"]: video for video in told}
        container = self._stack.storage.blobs.get_container_client(DOCUMENTS)
        published = {}
        try:
            async for blob in container.list_blobs(include=["metadata"], retry_total=0):
                metadata = blob.metadata or {}
                if metadata.get("version") and metadata["version"] == metadata.get("published"):
                    published[blob.name.rpartition("/")[2].removesuffix(".json")] = int(metadata["version"])
        except AzureError:
            return  # storage is stopped; what was seen stays true
        self.published = published

"""`operations`: what a job asks of Video Indexer and of storage, counted at the servers.

What extraction itself asks for is the price of a video; event sends, the host's own requests (taking and
deleting messages, one at a time here) and the callback's are shown apart.
"""

import asyncio
import io
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from bench import account, indexes
from bench.figures import Aim, Figures
from keywire.storage import layout
from keywire.storage.layout import (
    CONFIG_CONTAINER,
    CONTROL_CONTAINER,
    EVENTS_QUEUE,
    HISTORY_CONTAINER,
    KEYWORDS_CONTAINER,
)
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {
    "operations.new.video_indexer": Aim("<=", 1),
    "operations.new.storage": Aim("<=", 6),
    "operations.duplicate.video_indexer": Aim("<=", 1),
    "operations.duplicate.storage": Aim("<=", 2),
}
SETTLE_SECONDS: Final = 30.0
_CONTAINERS: Final[Mapping[str, str]] = {
    KEYWORDS_CONTAINER: "storage",
    HISTORY_CONTAINER: "storage",
    CONFIG_CONTAINER: "interests",  # whether the file changed, before each match
    CONTROL_CONTAINER: "control",  # the quota's ledger and notes, for many jobs of a process at once
}


async def run(scale: float) -> Figures:  # noqa: ARG001 - a count, the same at any scale
    """Count the requests for one video each way."""
    log = io.StringIO()
    async with account.stack(access_log=log) as running:
        counter = _Counter(running, log)
        warm, video = await account.upload(running, [indexes.index(1), indexes.index(2)])
        await counter.count(warm)  # tokens
        figures = _named("new", await counter.count(video))
        figures |= _named("duplicate", await counter.count(video))
        await account.reindex(running, video, indexes.index(2))
        figures |= _named("unchanged", await counter.count(video))
        await account.reindex(running, video, indexes.index(3))
        figures |= _named("changed", await counter.count(video))
    return figures


class _Counter:
    """Counts what one callback leads to."""

    def __init__(self, running: LocalStack, log: io.StringIO) -> None:
        self._running = running
        self._log = log

    async def count(self, video_id: str) -> Counter[str]:
        """Send a callback, wait until its job is done, and tell its requests by kind."""
        before = await self._video_indexer()
        position = self._log.tell()
        url = f"{self._running.host.url}/api/video-indexer/callback"
        async with account.caller(url, self._running.function_key) as call:
            await account.send_all(call, [video_id], at_once=1)
        async with asyncio.timeout(SETTLE_SECONDS):
            while not any(kind == "host.delete" for kind in self._kinds(position)):
                await asyncio.sleep(account.LOOK_SECONDS)
        counts = Counter(self._kinds(position))
        counts["video_indexer"] = await self._video_indexer() - before
        return counts

    async def _video_indexer(self) -> int:
        asked = await account.requests_to_video_indexer(self._running)
        return asked.get("GetVideoIndex", 0) + asked.get("GenerateAccessToken", 0)

    def _kinds(self, position: int) -> list[str]:
        return [_kind(found) for found in account.storage_requests(self._log.getvalue()[position:])]


def _kind(request: re.Match[str]) -> str:
    method, where = request["method"], request["where"]
    if where in _CONTAINERS:
        return _CONTAINERS[where]
    if (method, where) == ("POST", EVENTS_QUEUE):
        return "events"
    if (method, where) == ("POST", layout.EXTRACTION_QUEUE):
        return "callback"
    if (method, where) == ("DELETE", layout.EXTRACTION_QUEUE):
        return "host.delete"
    if (method, where) == ("GET", layout.EXTRACTION_QUEUE):
        return "host.poll"  # also while there is nothing: not a job's
    raise ValueError(f"a request that nobody expected: {request[0]}")


def _named(job: str, counts: Counter[str]) -> dict[str, float]:
    return {
        f"operations.{job}.{shown}": counts[kind]
        for shown, kind in (
            ("video_indexer", "video_indexer"),
            ("storage", "storage"),
            ("interests", "interests"),
            ("event_sends", "events"),
            ("callback_sends", "callback"),
            ("host_deletes", "host.delete"),
        )
    }

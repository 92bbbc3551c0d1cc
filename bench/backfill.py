"""`backfill`: what it takes to find the videos of a large account that have no document.

An account of 20,000 videos of which 37 are missing is compared with its documents in both ways that there
are: by reconciliation's full sweep, and by a backfill that is ordered as a dry run. Video Indexer has its
true limits, and the lists go at the pace of backfill's share, one a second.

Memory is the peak of the process that does it, while it does: the same processes did the same for an account
of 2,000 videos before. The local host runs the sweep in the process that is asked to. Documents are empty
objects with the metadata that tells of them, which is all that is read.
"""

import asyncio
import io
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
from azure.core.exceptions import ResourceNotFoundError

from bench import account, resident
from bench.figures import Aim, Figures
from emulators.functions_host.functions import HTTP_GROUP
from keywire.storage import layout
from keywire.storage.layout import CONTROL_CONTAINER, KEYWORDS_CONTAINER, RECONCILIATION_BLOB
from keywire.versions.status import PublicationStatus
from local.stack import LocalStack

MISSING: Final = 37
AIMS: Final[Mapping[str, Aim]] = {
    "backfill.rss_growth_ratio": Aim("<=", 1.2),
    "backfill.order_rss_growth_ratio": Aim("<=", 1.2),
}
VIDEOS: Final = 20_000
FEWER: Final = 2_000
AT_ONCE: Final = 32
STATUS_SECONDS: Final = 1.0
NEVER: Final = "0 0 0 1 1 *"
_ENDED: Final = re.compile(r"reconciliation sweep=full .* queued=(\d+) ")
# Of the functions' own requests: queues that the host asks for messages are not among these.
OURS: Final = frozenset(
    {KEYWORDS_CONTAINER, CONTROL_CONTAINER, layout.EXTRACTION_QUEUE, layout.BACKFILL_QUEUE}
)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What one run came to."""

    found: int
    seconds: float
    lists: int
    storage: int
    peak: float


async def run(scale: float) -> Figures:
    """Measure with `VIDEOS` × `scale` videos against `FEWER` × `scale`."""
    videos, fewer = max(2 * MISSING, round(VIDEOS * scale)), max(1, round(FEWER * scale))
    log = io.StringIO()
    instances = {"function:backfill_pages": 1, "function:extraction": 0}
    settings = {"VIDEO_INDEXER_QUOTA_SHARE": "1", "RECONCILIATION_SCHEDULE": NEVER}
    async with account.stack(instances=instances, settings=settings, access_log=log) as running:
        await account.limit(running)
        await _store(running, await _add(running, fewer))
        meter = _Meter(running, log)
        first = await _both(meter)
        added = await _add(running, videos - fewer)
        began = time.perf_counter()
        await _store(running, added[MISSING:])
        storing = time.perf_counter() - began
        second = await _both(meter)
        queued = await running.storage.queues.get_queue_client(layout.EXTRACTION_QUEUE).get_queue_properties()
    if queued.approximate_message_count != second["sweep"].found:
        raise RuntimeError(f"{queued.approximate_message_count} jobs for {second['sweep'].found} videos")
    return {
        "backfill.found": second["sweep"].found,
        "backfill.list_requests": second["sweep"].lists,
        "backfill.storage_requests": second["sweep"].storage,
        "backfill.seconds": second["sweep"].seconds,
        "backfill.peak_mb": second["sweep"].peak,
        "backfill.rss_growth_ratio": second["sweep"].peak / first["sweep"].peak,
        "backfill.order_found": second["order"].found,
        "backfill.order_list_requests": second["order"].lists,
        "backfill.order_seconds": second["order"].seconds,
        "backfill.order_peak_mb": second["order"].peak,
        "backfill.order_rss_growth_ratio": second["order"].peak / first["order"].peak,
        "backfill.videos": videos,
        "backfill.preparing_seconds": storing,
    }


async def _add(running: LocalStack, count: int) -> list[str]:
    """Have so many videos more in the account; their ids."""
    async with running.client() as http:
        answer = await http.post(f"{running.video_indexer_url}/emulator/videos", json={"count": count})
    ids: list[str] = answer.raise_for_status().json()
    return ids


async def _store(running: LocalStack, videos: Sequence[str]) -> None:
    """Have a document for each that answers for everything up to now."""
    documents = running.storage.blobs.get_container_client(KEYWORDS_CONTAINER)
    marks = PublicationStatus(
        version=1, published=1, state="Processed", as_of=datetime.now(UTC)
    ).to_metadata()
    waiting = iter(videos)

    async def store() -> None:
        for video_id in waiting:
            await documents.upload_blob(
                f"{running.emulator.account_id}/{video_id}.json", b"{}", metadata=marks
            )

    async with asyncio.TaskGroup() as stored:
        for _ in range(AT_ONCE):
            stored.create_task(store())


async def _both(meter: "_Meter") -> dict[str, _Run]:
    return {
        "sweep": await meter.measure(HTTP_GROUP, meter.sweep),
        "order": await meter.measure("function:backfill_pages", meter.order),
    }


class _Meter:
    """Does runs, and counts what they cost."""

    def __init__(self, running: LocalStack, log: io.StringIO) -> None:
        self._running = running
        self._log = log

    async def measure(self, group: str, find: Callable[[], Awaitable[int]]) -> _Run:
        """What a run came to that is done by the process of `group`."""
        (process,) = self._running.host.processes[group]
        await asyncio.to_thread(resident.forget_peak, process.pid)
        position, before = self._log.tell(), await self._lists()
        began = time.perf_counter()
        found = await find()
        seconds = time.perf_counter() - began
        requests = Counter(
            request["where"] for request in account.storage_requests(self._log.getvalue()[position:])
        )
        return _Run(
            found=found,
            seconds=seconds,
            lists=await self._lists() - before,
            storage=sum(count for where, count in requests.items() if where in OURS),
            peak=await asyncio.to_thread(resident.peak, process.pid),
        )

    async def sweep(self) -> int:
        """Let reconciliation compare everything, as on its first day; how many videos it queued."""
        state = self._running.storage.blobs.get_blob_client(CONTROL_CONTAINER, RECONCILIATION_BLOB)
        with suppress(ResourceNotFoundError):
            await state.delete_blob()
        before = len(_ENDED.findall(self._running.host.logs()))
        url = f"{self._running.host.url}/admin/functions/reconciliation"
        async with self._client(self._running.master_key) as http:
            (await http.post(url, json={})).raise_for_status()
        async with asyncio.timeout(account.WAIT_SECONDS):
            # Not by its state in storage: who looks there is counted.
            while len(ended := _ENDED.findall(self._running.host.logs())) == before:
                await asyncio.sleep(account.LOOK_SECONDS)
        return int(ended[-1])

    async def order(self) -> int:
        """Order a backfill that only counts; what it counted."""
        async with self._client(self._running.function_key) as http:
            answer = await http.post(
                f"{self._running.host.url}/api/operations/backfill", json={"dryRun": True}
            )
            answer.raise_for_status()
            url = f"{self._running.host.url}{answer.headers['Location']}"
            async with asyncio.timeout(account.WAIT_SECONDS):
                while not (status := (await http.get(url)).raise_for_status().json())["done"]:
                    await asyncio.sleep(STATUS_SECONDS)
        return int(status["found"])

    def _client(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers={"x-functions-key": key}, timeout=30)

    async def _lists(self) -> int:
        return (await account.requests_to_video_indexer(self._running)).get("ListVideos", 0)

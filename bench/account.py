"""A local stack to measure on, without rate limits, and what benchmarks do with it."""

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import aiohttp
import httpx

from keywire.storage.layout import EVENTS_QUEUE
from keywire.video_indexer.quota_ledger import REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND
from local.stack import ACCOUNT, LocalStack

# Sends a callback for a video and returns the status of the answer.
type Call = Callable[[str], Awaitable[int]]

WAIT_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.1
_REQUEST: Final = re.compile(r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<where>[^/? ]+)(?P<rest>[^ ]*)')


def stack(**options: Any) -> LocalStack:
    """A stack whose Video Indexer has no limits and needs no time; `options` as `LocalStack` takes them.

    Without Event Grid and the process for rematches: what is measured has the machine to itself.
    """
    options["instances"] = {
        "function:rematch": 0,
        "function:deliver_event_grid": 0,
        "function:backfill": 0,
        "function:backfill_pages": 0,
        "function:reconciliation": 0,
        "function:keep_poison": 0,
        "function:measure": 0,
        **options.get("instances", {}),
    }
    options.setdefault("event_grid", False)
    options["settings"] = {"VIDEO_INDEXER_QUOTA_SHARE": "off", **options.get("settings", {})}
    emulator = dataclasses.replace(
        ACCOUNT, indexing_seconds=0.0, requests_per_second=None, requests_per_minute=None
    )
    return LocalStack(emulator=emulator, **options)


async def upload(running: LocalStack, bodies: Iterable[bytes]) -> list[str]:
    """Upload videos that call nobody back and wait until they are indexed; their ids."""
    async with running.client() as http:
        uploader = running.uploader(http)
        uploaded = [await uploader.upload("A video", body, None) for body in bodies]
        missing = set(uploaded)
        async with asyncio.timeout(WAIT_SECONDS):
            while missing:
                seen = await _get(http, f"{running.video_indexer_url}/emulator/videos")
                missing -= {video["id"] for video in seen if video["state"] == "Processed"}
    return uploaded


async def reindex(running: LocalStack, video_id: str, body: bytes) -> None:
    """Have a video indexed again, so that Video Indexer finds `body` in it from now on."""
    control = f"{running.video_indexer_url}/emulator/videos"
    async with running.client() as http:
        (await http.put(f"{control}/{video_id}/insights", content=body)).raise_for_status()
        await running.uploader(http).reindex(video_id, None)
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(
                video["id"] == video_id and video["state"] == "Processed" and video["indexings"] > 1
                for video in await _get(http, control)
            ):
                await asyncio.sleep(LOOK_SECONDS)


async def requests_to_video_indexer(running: LocalStack) -> dict[str, int]:
    """How often each operation was asked for so far."""
    answers = await answers_of_video_indexer(running)
    return {operation: sum(outcomes.values()) for operation, outcomes in answers.items()}


async def answers_of_video_indexer(running: LocalStack) -> dict[str, dict[str, int]]:
    """How often each operation was answered so far, by status."""
    async with running.client() as http:
        answers: dict[str, dict[str, int]] = await _get(
            http, f"{running.video_indexer_url}/emulator/requests"
        )
    return answers


async def limit(running: LocalStack) -> None:
    """Give the account the service's own limits, and count its requests anew."""
    control = f"{running.video_indexer_url}/emulator"
    limits = {"requestsPerSecond": REQUESTS_PER_SECOND, "requestsPerMinute": REQUESTS_PER_MINUTE}
    async with running.client() as http:
        (await http.put(f"{control}/limits", json=limits)).raise_for_status()
        (await http.delete(f"{control}/requests")).raise_for_status()


def storage_requests(access_log: str) -> list[re.Match[str]]:
    """The requests in lines of Azurite's access log: `method`, and `where`, a container or queue."""
    return [found for line in access_log.splitlines() if (found := _REQUEST.search(line))]


async def go_wrong(running: LocalStack, **fault: Any) -> None:
    """Let Video Indexer do something wrong next; `fault` as the emulator takes it."""
    async with running.client() as http:
        answer = await http.post(f"{running.video_indexer_url}/emulator/faults", json=fault)
    answer.raise_for_status()


@contextlib.asynccontextmanager
async def caller(url: str, key: str) -> AsyncIterator[Call]:
    """What sends a callback for a video as Video Indexer does, and returns the status of the answer."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"x-functions-key": key}) as session:

        async def call(video_id: str) -> int:
            async with session.post(url, params={"id": video_id, "state": "Processed"}) as answer:
                await answer.read()
                return answer.status

        yield call


async def send_all(call: Call, videos: Sequence[str], *, at_once: int) -> list[float]:
    """Send a callback for each video, so many at once; the seconds that each took.

    Raises:
        RuntimeError: One was not answered with a 2xx.
    """
    waiting = iter(videos)
    took: list[float] = []

    async def send() -> None:
        for video_id in waiting:
            began = time.perf_counter()
            status = await call(video_id)
            took.append(time.perf_counter() - began)
            if not 200 <= status < 300:
                raise RuntimeError(f"a callback was answered with {status}")

    async with asyncio.TaskGroup() as senders:
        for _ in range(at_once):
            senders.create_task(send())
    return took


async def events_sent(running: LocalStack, count: int, *, since: float = 0.0) -> float:
    """Wait until `count` events are on the queue, and clear it; the seconds from `since` until then."""
    queue = running.storage.queues.get_queue_client(EVENTS_QUEUE)
    async with asyncio.timeout(WAIT_SECONDS):
        while ((await queue.get_queue_properties()).approximate_message_count or 0) < count:
            await asyncio.sleep(LOOK_SECONDS)
    took = time.perf_counter() - since
    await queue.clear_messages()
    return took


async def _get(http: httpx.AsyncClient, url: str) -> Any:
    answer = await http.get(url)
    answer.raise_for_status()
    return answer.json()

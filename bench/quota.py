"""`quota`: what becomes of Video Indexer's limits while a backlog is done, and how long live videos wait.

The account has its true limits, 10 requests a second and 120 a minute. A backfill of everything is ordered;
two processes do its jobs, two others those of live videos, of which one calls back every few seconds.
The videos are uploaded before: an upload is a request too, but an uploader's.

*Useful share*: videos whose events a consumer had when the time was up, each of which takes one request, out
of the requests that the account's limit of a minute allows in that time. Whatever else became of the
rest counts against it: what was not asked for, what was refused, asked twice, or came to nothing.
*Throttled share*: answers of 429, out of all answers of the data plane, as the emulator counted both.
*Live lag*: from the callback's sending to the event in the hands of a consumer.

Backfill never takes more than its share of the quota. The first turn is that of an operator who fills an
account and gives it all, with `VIDEO_INDEXER_BACKFILL_SHARE=1`: live videos go first all the same, and that
they do is measured where it is hardest. The second turn has the default, half.
"""

import asyncio
import base64
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from bench import account, indexes
from bench.figures import Aim, Figures, percentile
from keywire.storage.layout import EVENTS_QUEUE
from keywire.video_indexer.quota_ledger import REQUESTS_PER_MINUTE
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {
    "quota.useful_share": Aim(">=", 0.95),
    "quota.throttled_share": Aim("<=", 0.01),
    "quota.live_lag_p95_seconds": Aim("<=", 10),
}
BACKLOG: Final = 600
SECONDS: Final = 180.0
SECONDS_AT_DEFAULT: Final = 60.0
LIVE_EVERY_SECONDS: Final = 7.5
EXTRACTION_PROCESSES: Final = 2
SETTLE_SECONDS: Final = 60.0
PUT_OFF: Final = re.compile(r" deferred for ")


async def run(scale: float) -> Figures:
    """Measure for `SECONDS` × `scale` with a backlog of `BACKLOG` × `scale` videos, then at the default."""
    all_of_it = await _turn(scale, SECONDS, {"VIDEO_INDEXER_BACKFILL_SHARE": "1"})
    half_of_it = await _turn(scale, SECONDS_AT_DEFAULT, {})
    return {f"quota.{name}": value for name, value in all_of_it.items()} | {
        f"quota.default.{name}": value for name, value in half_of_it.items()
    }


async def _turn(scale: float, seconds: float, settings: Mapping[str, str]) -> dict[str, float]:
    backlog, seconds = max(20, round(BACKLOG * scale)), max(10.0, seconds * scale)
    instances = {
        "function:extraction": EXTRACTION_PROCESSES,
        "function:backfill": EXTRACTION_PROCESSES,
        "function:backfill_pages": 1,
    }
    settings = {"VIDEO_INDEXER_QUOTA_SHARE": "1", **settings}
    async with account.stack(instances=instances, settings=settings) as running:
        await _upload(running, backlog)
        until = datetime.now(UTC)
        live = await _upload(running, math.ceil(seconds / LIVE_EVERY_SECONDS))
        await account.limit(running)
        had: dict[str, float] = {}
        async with asyncio.TaskGroup() as working:
            consuming = working.create_task(_consume(running, had))
            await _order_backfill(running, until)
            calling = working.create_task(_call_back(running, live))
            await asyncio.sleep(seconds)
            useful, answers = len(had), await account.answers_of_video_indexer(running)
            called = await calling
            await _wait_for(called, had)
            consuming.cancel()
        put_off = len(PUT_OFF.findall(running.host.logs()))
    lags = [had[video_id] - at for video_id, at in called.items()]
    asked = {name: counts for name, counts in answers.items() if name != "GenerateAccessToken"}
    answered = sum(sum(counts.values()) for counts in asked.values())
    return {
        "useful_share": useful / (REQUESTS_PER_MINUTE * seconds / 60),
        "throttled_share": sum(counts.get("429", 0) for counts in asked.values()) / answered,
        "live_lag_p95_seconds": percentile(lags, 95),
        "live_lag_p50_seconds": percentile(lags, 50),
        "useful": useful,
        "requests": answered,
        "live_videos": len(lags),
        "put_off": put_off,
        "seconds": seconds,
    }


async def _upload(running: LocalStack, count: int) -> list[str]:
    return await account.upload(running, (indexes.index(number, lines=0) for number in range(count)))


async def _order_backfill(running: LocalStack, until: datetime) -> None:
    headers = {"x-functions-key": running.function_key}
    async with running.client() as http:
        answer = await http.post(
            f"{running.host.url}/api/operations/backfill", json={"to": until.isoformat()}, headers=headers
        )
    answer.raise_for_status()


async def _call_back(running: LocalStack, videos: Sequence[str]) -> dict[str, float]:
    """Call back for one video after the other; when that was."""
    called = {}
    began = time.perf_counter()
    async with account.caller(f"{running.host.url}/api/video-indexer/callback", running.function_key) as call:
        for number, video_id in enumerate(videos):
            await asyncio.sleep(max(0.0, began + (number + 0.5) * LIVE_EVERY_SECONDS - time.perf_counter()))
            called[video_id] = time.perf_counter()
            await account.send_all(call, [video_id], at_once=1)
    return called


async def _consume(running: LocalStack, had: dict[str, float]) -> None:
    """Take the events from the queue and note when the first of each video was there, until cancelled."""
    queue = running.storage.queues.get_queue_client(EVENTS_QUEUE)
    while True:
        async for message in queue.receive_messages(messages_per_page=32):
            event = json.loads(base64.b64decode(message.content))
            had.setdefault(event["partitionkey"], time.perf_counter())
            await queue.delete_message(message)
        await asyncio.sleep(account.LOOK_SECONDS)


async def _wait_for(called: Mapping[str, float], had: Mapping[str, float]) -> None:
    deadline = time.perf_counter() + SETTLE_SECONDS
    while not called.keys() <= had.keys():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{len(called.keys() - had.keys())} live videos have no event")
        await asyncio.sleep(account.LOOK_SECONDS)

"""`ack`: how long Video Indexer waits for the answer to its callback.

The floor is the one thing that an honest answer can't be without: a message sent to the queue, by the same
SDK over a connection of the same kind. Measured in turn, so that both see the same machine.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bench import account
from bench.figures import Aim, Figures, percentile
from keywire import ids
from keywire.jobs import job as jobs
from local.stack import LocalStack

AIMS: Final[Mapping[str, Aim]] = {"ack.p50_ratio": Aim("<=", 2.0)}
CALLBACKS: Final = 1000
AT_ONCE: Final = 32
ROUNDS: Final = 10
WARM_UP: Final = 50
FLOOR_QUEUE: Final = "floor"


async def run(scale: float) -> Figures:
    """Measure `CALLBACKS` × `scale` callbacks, one in flight and then `AT_ONCE`."""
    count = max(ROUNDS, round(CALLBACKS * scale / ROUNDS) * ROUNDS)
    async with account.stack(instances={"function:extraction": 0}) as running:
        alone = await _in_turn(running, count, at_once=1)
        together = await _in_turn(running, max(count, AT_ONCE * ROUNDS), at_once=AT_ONCE)
    figures: dict[str, float] = {}
    for prefix, (ours, floor) in (("ack.", alone), (f"ack.at_once_{AT_ONCE}.", together)):
        for percent in (50, 99):
            mine, bare = percentile(ours, percent), percentile(floor, percent)
            figures[f"{prefix}p{percent}_ratio"] = mine / bare
            figures[f"{prefix}p{percent}_ms"] = mine * 1000
            figures[f"{prefix}floor_p{percent}_ms"] = bare * 1000
    return figures


async def _in_turn(running: LocalStack, count: int, *, at_once: int) -> tuple[list[float], list[float]]:
    """The seconds that callbacks and bare sends took, in alternating rounds."""
    job = jobs.encode(
        jobs.ExtractionJob(
            video_id="abcdefghij",
            job_id=ids.new_job_id(),
            signal="callback",
            received_at=datetime.now(UTC),
            traceparent=f"00-{uuid.uuid4().hex}-b7ad6b7169203331-01",
        )
    )
    queue = running.storage.queue(FLOOR_QUEUE)
    if not [found async for found in running.storage.queues.list_queues(FLOOR_QUEUE)]:
        await queue.create_queue()

    async def bare(_: str) -> int:
        await queue.send_message(job, time_to_live=-1)
        return 201

    ours: list[float] = []
    floor: list[float] = []
    url = f"{running.host.url}/api/video-indexer/callback"
    async with account.caller(url, running.function_key) as call:
        for callback in (call, bare):
            await account.send_all(callback, [uuid.uuid4().hex] * WARM_UP, at_once=at_once)
        for _ in range(ROUNDS):
            videos = [uuid.uuid4().hex for _ in range(count // ROUNDS)]
            ours += await account.send_all(call, videos, at_once=at_once)
            floor += await account.send_all(bare, videos, at_once=at_once)
    return ours, floor

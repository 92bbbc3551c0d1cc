"""`footprint`: what Keywire asks of Azure for a video, and what it asks while there is nothing to do.

Every request to storage is counted by the kind that it is billed as; `bench.cost` makes money of it. The
videos come one at a time, so that no two share a slot of the quota or a poll: the dearest way. Timers are
run once each, on an account with just these videos.

Polls of queues are left out: how often a queue is looked at is the platform's business.
"""

import asyncio
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from bench import account, indexes
from bench.figures import Aim, Figures
from keywire.storage import layout
from keywire.storage.layout import (
    CONTROL_CONTAINER,
    EVENTS_QUEUE,
    HISTORY_CONTAINER,
    KEYWORDS_CONTAINER,
    RECONCILIATION_BLOB,
)
from local.stack import LocalStack
from local.storage import CONTAINERS

AIMS: Final[Mapping[str, Aim]] = {}
VIDEOS: Final = 20
# As of a real video: one that is indexed within a minute is asked about once more (`keywire.video_indexer.
# service_time`).
INDEXING_SECONDS: Final = 75.0
PATIENCE_SECONDS: Final = 30.0
# As Microsoft's page "Map each REST operation to a price" has them for a general-purpose v2 account; deleting
# a blob is free. Queues have two classes, whose mapping that page does not tell: they are counted as one.
KINDS: Final = ("write", "read", "list", "other", "queue")

_DONE: Final = re.compile(rf'"DELETE /devstoreaccount1/{layout.EXTRACTION_QUEUE}/messages/')
_QUEUED: Final = re.compile(rf'"POST /devstoreaccount1/{layout.EXTRACTION_QUEUE}/messages')
_REQUEST: Final = re.compile(
    r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<where>[^/? ]+)(?P<path>[^? ]*)(?P<query>[^ ]*)'
)


async def run(scale: float) -> Figures:
    """Count over `VIDEOS` × `scale` videos, and once for each timer."""
    videos = max(5, round(VIDEOS * scale))
    log = io.StringIO()
    async with account.stack(access_log=log, settings={"VIDEO_INDEXER_QUOTA_SHARE": "1"}) as running:
        async with running.client() as http:
            pace = {"indexingSeconds": INDEXING_SECONDS}
            (await http.put(f"{running.video_indexer_url}/emulator/settings", json=pace)).raise_for_status()
        warm, *uploaded = await account.upload(running, map(indexes.index, range(videos + 1)))
        await _process(running, [warm], log)  # tokens, interests
        began, asked = log.tell(), await _asked(running)
        await _process(running, uploaded, log)
        figures = _named("video", _billed(log, began), videos)
        figures["footprint.video.video_indexer"] = (await _asked(running) - asked) / videos
        figures |= {f"footprint.video.{name}": value for name, value in (await _sizes(running)).items()}
        asked = await _asked(running)
        first = await _sweep(running, log)
        figures["footprint.confirm.video_indexer"] = (await _asked(running) - asked) / (videos + 1)
        await running.storage.blobs.get_blob_client(CONTROL_CONTAINER, RECONCILIATION_BLOB).delete_blob()
        full, window = await _sweep(running, log), await _sweep(running, log)
        # A window looks at the mark of each video in it, so that part is stated for each.
        window["other"] -= videos + 1
        figures |= _named("confirm", first - full, videos + 1)
        figures |= _named("full_sweep", full) | _named("window_sweep", window)
        for timer in ("measure", "keep_poison"):
            began = log.tell()
            await _run_by_hand(running, timer)
            figures |= _named(timer, _billed(log, began))
    return figures


async def _asked(running: LocalStack) -> int:
    """How often the index of a video was asked for so far."""
    return (await account.requests_to_video_indexer(running)).get("GetVideoIndex", 0)


async def _sweep(running: LocalStack, log: io.StringIO) -> Counter[str]:
    """What a run of reconciliation leads to, with the jobs that it queues."""
    began = log.tell()
    await _run_by_hand(running, "reconciliation")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(_DONE.findall(log.getvalue(), began)) < len(_QUEUED.findall(log.getvalue(), began)):
            await asyncio.sleep(account.LOOK_SECONDS)
    return _billed(log, began)


async def _process(running: LocalStack, videos: list[str], log: io.StringIO) -> None:
    url = f"{running.host.url}/api/video-indexer/callback"
    async with account.caller(url, running.function_key) as call:
        for video in videos:
            began = log.tell()
            await account.send_all(call, [video], at_once=1)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not _DONE.search(log.getvalue(), began):
                    await asyncio.sleep(account.LOOK_SECONDS)


async def _run_by_hand(running: LocalStack, function: str) -> None:
    before = running.host.logs()
    async with running.client() as http:
        answer = await http.post(
            f"{running.host.url}/admin/functions/{function}",
            headers={"x-functions-key": running.master_key},
            json={"input": ""},
        )
        answer.raise_for_status()
    await _said(running, before, f"Executed {function} (Succeeded")


async def _said(running: LocalStack, before: str, text: str) -> None:
    """Wait for a new log line with `text`."""
    old = set(before.splitlines())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(text in line for line in running.host.logs().splitlines() if line not in old):
            await asyncio.sleep(account.LOOK_SECONDS)


async def _sizes(running: LocalStack) -> dict[str, float]:
    """Bytes that a video leaves behind: the current document, and its version with the events."""
    sizes = {}
    for name, container in (("document", KEYWORDS_CONTAINER), ("history", HISTORY_CONTAINER)):
        blobs = [blob async for blob in running.storage.blobs.get_container_client(container).list_blobs()]
        videos = {blob.name.split("/")[1].removesuffix(".json") for blob in blobs}
        sizes[f"{name}_bytes"] = sum(blob.size for blob in blobs) / len(videos)
    queue = running.storage.queues.get_queue_client(EVENTS_QUEUE)
    messages = await queue.peek_messages(max_messages=32)
    sizes["event_message_bytes"] = sum(len(message.content) for message in messages) / len(messages)
    return sizes


def _billed(log: io.StringIO, began: int) -> Counter[str]:
    return Counter(_kinds(log.getvalue()[began:]))


def _kinds(log: str) -> Iterator[str]:
    for request in _REQUEST.finditer(log):
        kind = _kind(request)
        if kind:
            yield kind


def _kind(request: re.Match[str]) -> str | None:
    """What a request is billed as; None for what is free, and for a poll."""
    method, query = request["method"], request["query"]
    if request["where"] not in CONTAINERS:
        is_poll = method == "GET" and "visibilitytimeout=" in query
        return None if is_poll else "queue"
    if method == "DELETE":
        return None
    if "comp=list" in query:
        return "list"
    if method == "PUT":
        return "write" if "comp=" not in query or "comp=appendblock" in query else "other"
    return "read" if method == "GET" else "other"


def _named(what: str, counts: Counter[str], times: int = 1) -> dict[str, float]:
    return {f"footprint.{what}.{kind}": counts[kind] / times for kind in KINDS}

"""The floor of throughput: what storage is asked for when a new video comes, and nothing else.

The same requests with the same SDK and bytes, in one process: no Video Indexer, no host, no thinking.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError

from bench import indexes
from keywire import ids
from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.events import envelope
from keywire.jobs import job as jobs
from keywire.storage.layout import EVENTS_QUEUE, HISTORY_CONTAINER, KEYWORDS_CONTAINER
from keywire.video_indexer import index
from local.stack import LocalStack

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

BATCH: Final = 16  # host.json's


@dataclass(frozen=True)
class Sample:
    """What the floor writes: the bytes that Keywire made of a generated video."""

    job: str
    document: bytes
    events: bytes

    @classmethod
    def make(cls) -> "Sample":
        """Make them."""
        job = jobs.ExtractionJob(
            video_id="abcdefghij",
            job_id=ids.new_job_id(),
            signal="callback",
            received_at=datetime.now(UTC),
            traceparent=f"00-{uuid.uuid4().hex}-b7ad6b7169203331-01",
        )
        document = documents.build(
            read_content(index.parse(indexes.index(0))),
            account_id=str(uuid.uuid4()),
            video_id=job.video_id,
            previous=None,
            failure_message=None,
            extracted_at=job.received_at,
        )
        body = documents.encode(document)
        origin = envelope.Origin(
            source="/" * 150,
            edition=1,
            time=document.extracted_at,
            body=body,
            url="/" * 150,
            traceparent=job.traceparent,
        )
        sent = envelope.version_events(document, origin, previous=None)
        return cls(jobs.encode(job), body, envelope.join(sent))


async def seconds(running: LocalStack, count: int, at_once: int, sample: Sample) -> float:
    """How long storage alone takes for `count` new videos with `at_once` requests under way."""
    queue = running.storage.queue(f"floor-{uuid.uuid4().hex[:8]}")
    await queue.create_queue()
    queued = asyncio.Semaphore(0)
    slots = asyncio.Semaphore(at_once)
    numbers = iter(range(count))

    async def send() -> None:
        for _ in numbers:
            await queue.send_message(sample.job, time_to_live=-1)
            queued.release()

    async def work(message: "QueueMessage") -> None:
        async with slots:
            await _write(running, sample)
            await queue.delete_message(message)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as together:
        for _ in range(at_once):
            together.create_task(send())
        left = count
        while left > 0:
            batch = await _receive(queue, queued, min(BATCH, left))
            left -= len(batch)
            for message in batch:
                together.create_task(work(message))
    took = time.perf_counter() - began
    await queue.delete_queue()
    await running.storage.queue(EVENTS_QUEUE).clear_messages()
    return took


async def _receive(queue: "QueueClient", queued: asyncio.Semaphore, size: int) -> "list[QueueMessage]":
    """Take a batch as the host does, but never ask in vain."""
    for _ in range(size):
        await queued.acquire()
    pages = queue.receive_messages(messages_per_page=size, max_messages=size).by_page()
    return [message async for message in await anext(pages)]


async def _write(running: LocalStack, sample: Sample) -> None:
    """What extraction and its event ask for."""
    history = running.storage.blobs.get_container_client(HISTORY_CONTAINER)
    name = f"floor/{uuid.uuid4().hex}"
    document = running.storage.blobs.get_blob_client(KEYWORDS_CONTAINER, f"{name}.json")
    try:
        await document.download_blob()
    except ResourceNotFoundError:
        await history.upload_blob(f"{name}/000001.json", sample.document)
    await history.upload_blob(f"{name}/000001.events.ndjson", sample.events)
    written = await document.upload_blob(sample.document, metadata={"version": "1"})
    await running.storage.queue(EVENTS_QUEUE).send_message(sample.events.decode(), time_to_live=-1)
    marks = {"version": "1", "published": "1"}
    await document.set_blob_metadata(
        marks, etag=written["etag"], match_condition=MatchConditions.IfNotModified
    )

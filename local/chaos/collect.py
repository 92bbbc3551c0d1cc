"""Collecting what is there when a run is quiet: from storage, the queues, the subscriber and the emulator."""

import asyncio
import base64
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final

import httpx
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from local.chaos.snapshot import Document, Outcome, Snapshot, Video
from local.stack import LocalStack

AT_ONCE: Final = 16


async def collect(
    stack: LocalStack,
    http: httpx.AsyncClient,
    *,
    seen: Mapping[str, Collection[int]],
    references: Mapping[str, str],
    delivered: Sequence[bytes],
    unreadable_jobs: Sequence[str],
    storage_stopped: bool,
) -> Snapshot:
    """Everything that the audit looks at. The events' queue is empty afterwards, as a consumer leaves it."""
    told = (await http.get(f"{stack.video_indexer_url}/emulator/history")).json()
    blobs, queues = stack.storage.blobs, stack.storage.queues
    current = await _blobs(blobs.get_container_client("keywords"))
    documents = {name.rpartition("/")[2].removesuffix(".json"): found for name, found in current.items()}
    history = await _blobs(blobs.get_container_client("keywords-history"))
    poison = {}
    async for queue in queues.list_queues():
        if queue.name.endswith("-poison"):
            client = queues.get_queue_client(queue.name)
            poison[queue.name] = tuple([text async for text in _messages(client)])
    letters = await _blobs(blobs.get_container_client("event-grid-dead-letters"))
    return Snapshot(
        account_id=stack.emulator.account_id,
        source=stack.emulator.resource_id,
        videos=tuple(_video(each, seen, references) for each in told),
        documents=documents,
        history={name: found.body for name, found in history.items()},
        queued=tuple([text async for text in _messages(queues.get_queue_client("personalization-events"))]),
        delivered=tuple(delivered),
        poison=poison,
        unreadable_jobs=tuple(base64.b64encode(text.encode()).decode() for text in unreadable_jobs),
        storage_stopped=storage_stopped,
        dead_letters=len(letters),
    )


async def _blobs(container: ContainerClient) -> dict[str, Document]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def read(blob: BlobProperties) -> tuple[str, Document]:
        async with slots:
            body = await (await container.download_blob(blob.name)).readall()
        return blob.name, Document(body=body, metadata=dict(blob.metadata or {}))

    listed = [blob async for blob in container.list_blobs(include=["metadata"])]
    return dict(await asyncio.gather(*map(read, listed)))


async def _messages(queue: QueueClient) -> AsyncIterator[str]:
    async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=600):
        yield message.content
        await queue.delete_message(message)


def _video(
    told: Mapping[str, Any], seen: Mapping[str, Collection[int]], references: Mapping[str, str]
) -> Video:
    outcomes = tuple(
        Outcome(
            state=each["state"],
            failure_code=each["failureCode"],
            failure_message=each["failureMessage"],
            keywords=tuple(each["keywords"]),
        )
        for each in told["outcomes"]
    )
    return Video(
        id=told["id"],
        name=told["name"],
        removed=told["removed"],
        outcomes=outcomes,
        seen=frozenset(seen.get(told["id"], ())),
        reference=references.get(told["id"]),
    )

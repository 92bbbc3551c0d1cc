"""Upload to a running stack, and read the resulting documents and events."""

import base64
import json
from typing import Any

import httpx

from keywire.storage.layout import EVENTS_QUEUE, KEYWORDS_CONTAINER
from local.stack import LocalStack
from tests.support.waiting import eventually

# A callback URL on which no server listens.
NOBODY = "http://127.0.0.1:9/nobody"


async def upload(
    stack: LocalStack, http: httpx.AsyncClient, body: bytes, callback_url: str | None = None
) -> str:
    return await stack.uploader(http).upload("A video", body, callback_url or stack.callback_url)


async def indexed(stack: LocalStack, http: httpx.AsyncClient, video_id: str) -> None:
    """Wait until Video Indexer has indexed a video."""

    async def look() -> bool:
        seen = (await http.get(f"{stack.video_indexer_url}/emulator/videos")).json()
        return any(video["id"] == video_id and video["state"] == "Processed" for video in seen)

    await eventually(look, f"{video_id} is indexed")


async def find_document(stack: LocalStack, video_id: str) -> dict[str, Any] | None:
    """Return the published document of a video, or None."""
    blob = stack.storage.blobs.get_blob_client(
        KEYWORDS_CONTAINER, f"{stack.emulator.account_id}/{video_id}.json"
    )
    if not await blob.exists():
        return None
    download = await blob.download_blob()
    if download.properties.metadata["published"] == "0":
        return None
    found: dict[str, Any] = json.loads(await download.readall())
    return found


async def document(stack: LocalStack, video_id: str) -> dict[str, Any]:
    """Wait for the published document of a video."""
    found: dict[str, Any] = await eventually(
        lambda: find_document(stack, video_id), f"{video_id} is published", stack.host.logs
    )
    return found


async def event(stack: LocalStack, video_id: str) -> dict[str, Any]:
    """Wait for an event of a video, and remove it from the queue."""
    queue = stack.storage.queues.get_queue_client(EVENTS_QUEUE)

    async def look() -> dict[str, Any] | None:
        async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=1):
            found: dict[str, Any] = json.loads(base64.b64decode(message.content, validate=True))
            if found["partitionkey"] == video_id:
                await queue.delete_message(message)
                return found
        return None

    found: dict[str, Any] = await eventually(look, f"{video_id} has an event", stack.host.logs)
    return found

"""What a demo leaves in its output folder: the documents as stored, the events as read, and a summary."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from keywire.ids import is_video_id
from keywire.storage.layout import KEYWORDS_CONTAINER
from local.demo.progress import VideoProgress
from local.stack import LocalStack

DOCUMENTS: Final = "documents"
EVENTS: Final = "events.jsonl"
SUMMARY: Final = "summary.json"


async def read_documents(stack: LocalStack, videos: Sequence[VideoProgress]) -> dict[str, bytes]:
    """The current document of each video that has one, by video id."""
    found: dict[str, bytes] = {}
    for video in videos:
        if video.version:
            path = f"{stack.emulator.account_id}/{video.video_id}.json"
            download = await stack.storage.blobs.get_blob_client(KEYWORDS_CONTAINER, path).download_blob()
            found[video.video_id] = await download.readall()
    return found


def write(
    directory: Path,
    *,
    videos: Sequence[VideoProgress],
    documents: dict[str, bytes],
    events: Sequence[bytes],
    started: float,
) -> None:
    """Write the folder. Of a former run nothing stays; what else is there is left alone.

    Args:
        directory: The folder, made if it is not there.
        videos: Those that were accepted.
        documents: By video id, as stored.
        events: As read from the queue.
        started: When the work began, by `time.monotonic`.
    """
    folder = directory / DOCUMENTS
    folder.mkdir(parents=True, exist_ok=True)
    for stale in _former(directory):
        stale.unlink(missing_ok=True)
    for video_id, body in documents.items():
        (folder / f"{video_id}.json").write_bytes(body)
    (directory / EVENTS).write_bytes(b"".join(event + b"\n" for event in events))
    summary = {
        "videos": len(videos),
        "documents": len(documents),
        "events": len(events),
        "matches": sum(len(video.matches) for video in videos),
        "seconds": round(time.monotonic() - started, 3),
    }
    (directory / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")


def _former(directory: Path) -> list[Path]:
    """The documents that a former run left, known by its events."""
    try:
        lines = (directory / EVENTS).read_bytes().splitlines()
        videos = {str(json.loads(line)["partitionkey"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [directory / DOCUMENTS / f"{video}.json" for video in videos if is_video_id(video)]

"""`python3 dev.py demo`: the main job on the local stack, from uploads to events."""

import argparse
import asyncio
import contextlib
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from keywire.interests.interest import InvalidInterestsError
from keywire.interests.matching import matcher as matching
from keywire.storage.layout import CONFIG_CONTAINER, INTERESTS_BLOB
from local.demo import inputs, output, view
from local.demo.inputs import INTERESTS, SAMPLES, Input, Refused
from local.demo.progress import VideoProgress, Watcher
from local.serve import run, show_addresses, until_interrupted
from local.stack import ACCOUNT, LocalStack
from local.uploader import Uploader

INDEXING_SECONDS: Final = 1.5
LOOK_SECONDS: Final = 0.2
# Without any progress for this long the demo gives up: longer than a job waits for its second try.
STALLED_SECONDS: Final = 90.0


def main() -> int:
    """Parse the command line, run, and return the exit code: 0 when every video came through."""
    arguments = parser().parse_args()
    console = Console()
    if arguments.index or arguments.reindex:
        videos, refused = inputs.read(arguments.index, arguments.reindex)
    else:
        videos, refused = inputs.samples(), []
    for one in refused:
        console.print(f"refused {one.label}: {one.reason}", style="red", markup=False, soft_wrap=True)
    try:
        interests = arguments.interests.read_bytes()
        matching.compile(interests)
    except (OSError, InvalidInterestsError) as error:
        print(f"demo: {arguments.interests}: {error}", file=sys.stderr)
        return 1
    if not videos:
        print("demo: there is nothing to show: none of the files is an index", file=sys.stderr)
        return 1
    return run(_demo(arguments, videos, refused, interests, console))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="dev.py demo", description=__doc__)
    found.add_argument(
        "--index",
        metavar="FILE",
        action="append",
        default=[],
        help="a video's insights, as the portal's Download > Insights (JSON) or Get Video Index gives them",
    )
    found.add_argument(
        "--reindex",
        metavar="FIRST=SECOND",
        action="append",
        default=[],
        type=_pair,
        help="when FIRST is done it is indexed again and then has SECOND's insights",
    )
    found.add_argument(
        "--output", metavar="DIR", type=Path, help="leave documents, events and a summary there"
    )
    found.add_argument(
        "--interests",
        metavar="FILE",
        type=Path,
        default=SAMPLES / INTERESTS,
        help="what customers care about; without it, a built-in example",
    )
    found.add_argument("--serve", action="store_true", help="keep the stack up afterwards")
    return found


def _pair(text: str) -> tuple[str, str]:
    first, separator, second = text.partition("=")
    if not (first and separator and second):
        raise argparse.ArgumentTypeError("must be FIRST=SECOND, two files")
    return first, second


async def _demo(
    arguments: argparse.Namespace,
    sources: Sequence[Input],
    refused: Sequence[Refused],
    interests: bytes,
    console: Console,
) -> int:
    emulator = dataclasses.replace(ACCOUNT, indexing_seconds=INDEXING_SECONDS)
    console.print("starting the local stack ...", style="dim")
    async with LocalStack(emulator=emulator) as stack:
        await stack.storage.blobs.get_blob_client(CONFIG_CONTAINER, INTERESTS_BLOB).upload_blob(interests)
        started = time.monotonic()
        videos = [VideoProgress(source) for source in sources]
        watcher = Watcher(stack, videos)
        with view.view_for(console) as shown:
            await _follow(stack, videos, watcher, shown)
        documents = await output.read_documents(stack, videos)
        best = max(videos, key=lambda video: (video.sent, video.version, -videos.index(video)), default=None)
        if best is not None and best.sent:
            view.show_document_and_event(console, documents[best.video_id], best.events[best.version])
        view.show_matches(console, videos)
        if arguments.output:
            output.write(
                arguments.output,
                videos=videos,
                documents=documents,
                events=watcher.events,
                started=started,
            )
            console.print(
                f"all documents, all events and a summary are in {arguments.output}", soft_wrap=True
            )
        else:
            console.print("to keep all documents and events, add --output DIR; to look around, --serve")
        done = [video for video in videos if video.done]
        console.print(
            f"{len(done)} of {len(videos)} videos came through: {len(documents)} documents, "
            f"{len(watcher.events)} events; {len(refused)} files refused"
        )
        if arguments.serve:
            show_addresses(stack, console)
            await until_interrupted()
    return 0 if len(done) == len(videos) and not refused else 1


async def _follow(
    stack: LocalStack, videos: Sequence[VideoProgress], watcher: Watcher, shown: view.View
) -> None:
    """Upload the videos and watch until each has come through, or nothing moves any more."""
    async with stack.client() as http:
        uploader = stack.uploader(http)
        uploads = asyncio.create_task(_upload(uploader, videos, stack.callback_url))
        try:
            last, moved = "", time.monotonic()
            while not all(video.done for video in videos):
                for video in videos:
                    if video.requests == 1 and video.sent and video.source.reindexed is not None:
                        await _reindex(stack, uploader, video)
                await watcher.look()
                shown.update(videos)
                if uploads.done():
                    uploads.result()
                now = repr(videos)
                if now != last:
                    last, moved = now, time.monotonic()
                elif time.monotonic() - moved > STALLED_SECONDS:
                    break
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            uploads.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await uploads


async def _upload(uploader: Uploader, videos: Sequence[VideoProgress], callback_url: str) -> None:
    for video in videos:
        video.video_id = await uploader.upload(video.source.name, video.source.body, callback_url)
        video.requests = 1


async def _reindex(stack: LocalStack, uploader: Uploader, video: VideoProgress) -> None:
    found = f"{stack.video_indexer_url}/emulator/videos/{video.video_id}/insights"
    (await uploader.http.put(found, content=video.source.reindexed)).raise_for_status()
    video.etag_before, video.requests = video.etag, 2
    await uploader.reindex(video.video_id, stack.callback_url)


if __name__ == "__main__":
    sys.exit(main())

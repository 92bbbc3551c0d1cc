"""The lives of the videos: uploaded, told of, indexed again, deleted, as the plan has it.

What an uploader does goes over Video Indexer's public API; what Video Indexer finds, and what goes wrong with
it, is told to its emulator.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from local.chaos.logs import LogFolder
from local.chaos.plan import Life, PlannedVideo, Route
from local.chaos.watch import Watcher
from local.stack import LocalStack
from local.uploader import Uploader

# A video whose outcome is to be published before it is indexed again: several sweeps of reconciliation.
PUBLISHED_SECONDS: Final = 240.0
INDEXED_SECONDS: Final = 120.0
# The address may be asked for, and the log be sent, while the process that takes it is being started again.
PATIENCE_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 0.5
# Whom callbacks and log records name: nobody but the run may ever read this again.
PERSON: Final = "Wilhelmina Chaosperson"

_FAILED: Final = {"state": "Failed", "failureCode": "UnsupportedFileType", "failureMessage": "Not a video."}
_QUARANTINED: Final = {"state": "Quarantined", "failureCode": "General", "failureMessage": "Held back."}


@dataclass(kw_only=True)
class Lives:
    """What the videos live through.

    Attributes:
        base_url: Of the HTTP functions; their process comes back at the same address.
        log_url: Where records of Video Indexer's own log go; the same.
        seen: The outcomes of each video, by place, that were published before the next thing happened to it.
        references: What the uploader calls a video, by its id.
        callback_urls: The signed addresses that were given out.
    """

    stack: LocalStack
    http: httpx.AsyncClient
    uploader: Uploader
    watcher: Watcher
    log: LogFolder
    base_url: str
    log_url: str
    seen: dict[str, set[int]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    callback_urls: list[str] = field(default_factory=list)

    async def live(self, video: PlannedVideo) -> None:
        """Everything that happens to one video, from its upload on."""
        url = await self._callback_url(video)
        video_id = await self.uploader.upload(video.name, video.media, url)
        self.log.note(
            f"video={video_id} number={video.number} route={video.route} life={video.life!r} uploaded"
        )
        self.seen[video_id] = set()
        if video.reference:
            self.references[video_id] = video.reference
        faults = [*([video.callback] if video.callback else []), *video.answers]
        if faults:
            meant = [fault | {"videoId": video_id} for fault in faults]
            await self._control("POST", "faults", meant)
        if video.life in {Life.FAILING, Life.RECOVERING}:
            await self._control("PUT", f"videos/{video_id}/outcome", _FAILED)
        if video.life is Life.QUARANTINED:
            await self._control("PUT", f"videos/{video_id}/outcome", _QUARANTINED)
        if video.life is Life.DELETED_EARLY:
            await self.uploader.delete(video_id)
            return
        await self._indexed(video, video_id, times=1)
        if video.later is not None:
            await self._index_again(video, video_id, video.later, url)
        if video.life is Life.DELETED:
            await self._published(video_id, version=1)
            await self.uploader.delete(video_id)

    async def _index_again(self, video: PlannedVideo, video_id: str, later: bytes, url: str | None) -> None:
        if video.life is not Life.REINDEXED_EARLY:
            await self._published(video_id, version=1)
        await self._control("PUT", f"videos/{video_id}/insights", later)
        await self.uploader.reindex(video_id, url)
        if video.life is Life.REINDEXED_FAILING:
            await self._control("PUT", f"videos/{video_id}/outcome", _FAILED)
        await self._indexed(video, video_id, times=2)

    async def _indexed(self, video: PlannedVideo, video_id: str, *, times: int) -> None:
        """Wait until Video Indexer is done, and let its log tell of it where that is the video's route."""
        await self.watcher.until(
            lambda: self.watcher.videos.get(video_id, {}).get("indexings", 0) >= times,
            f"video {video_id} is indexed",
            seconds=INDEXED_SECONDS,
        )
        if video.route is Route.LOG:
            record = _record(self.stack, video_id, "ReindexingFinished" if times > 1 else "IndexingFinished")
            await self._patiently(self.log_url, content=json.dumps([json.dumps({"records": [record]})]))

    async def _published(self, video_id: str, *, version: int) -> None:
        await self.watcher.until(
            lambda: self.watcher.published.get(video_id, 0) >= version,
            f"version {version} of video {video_id} is published",
            seconds=PUBLISHED_SECONDS,
        )
        self.seen[video_id].add(version - 1)

    async def _callback_url(self, video: PlannedVideo) -> str | None:
        if video.route is Route.KEY:
            return f"{self.base_url}/api/video-indexer/callback?code={self.stack.function_key}"
        if video.route is not Route.SIGNED:
            return None
        answer = await self._patiently(
            f"{self.base_url}/api/operations/callback-url",
            headers={"x-functions-key": self.stack.function_key},
            json={"reference": video.reference, "ttl": 3600},
        )
        url = str(answer.raise_for_status().json()["callbackUrl"])
        self.callback_urls.append(url)
        return url

    async def _patiently(self, url: str, **request: Any) -> httpx.Response:
        """The answer to a POST to a process that may be about to come back."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await self.http.post(url, **request)
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_SECONDS)

    async def _control(self, method: str, path: str, body: Mapping[str, Any] | list[Any] | bytes) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.stack.video_indexer_url}/emulator/{path}"
        (await self.http.request(method, url, content=content)).raise_for_status()


def _record(stack: LocalStack, video_id: str, operation: str) -> dict[str, Any]:
    """What the account's own log says of an indexing that ended, in Azure Monitor's shape."""
    account = stack.emulator
    return {
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "resourceId": account.resource_id.upper(),
        "operationName": operation,
        "category": "IndexingLogs",
        "resultType": "Success",
        "location": account.location,
        "operationVersion": "2.0",
        "identity": {"upn": PERSON, "claims": None},
        "properties": {
            "accountName": account.account_name,
            "accountId": account.account_id,
            "videoId": video_id,
            "indexing": {"Language": "en-US", "Filename": f"{PERSON}.mp4"},
        },
    }

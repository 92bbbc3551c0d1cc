"""Indexing takes time: a video goes from Uploaded over Processing to a final state, then the callback.

Separate from the library, because this is the part with tasks.

As in the real service's listings, `lastIndexed` is when an indexing began, `lastModified` when the video
last changed. A failed re-index leaves what the last good one found.
"""

import asyncio
import logging

from emulators.framework.background import Background
from emulators.framework.clock import Clock, Sleep
from emulators.video_indexer import insights
from emulators.video_indexer.callbacks import Callbacks
from emulators.video_indexer.library import Indexed, Video

_log = logging.getLogger(__name__)


class Indexing:
    """Runs the indexings; `seconds` is what the next ones take."""

    def __init__(
        self,
        seconds: float,
        callbacks: Callbacks,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self.seconds = seconds
        self._callbacks = callbacks
        self._clock = clock
        self._sleep = sleep
        self._running = Background(self._ended)

    def start(self, video: Video, callback_url: str | None) -> None:
        """Begin to index `video`; its callback goes to `callback_url`, if there is one."""
        video.state = "Processing"
        video.indexing_seconds = self.seconds
        video.last_indexed = video.last_modified = self._clock()
        self._running.start(video, self._run(video, callback_url))

    @property
    def running(self) -> int:
        """How many indexings go on, their callbacks included."""
        return len(self._running)

    def abandon(self, video: Video) -> None:
        """End the indexing of a video without a trace."""
        self._running.abandon(video)

    async def stop(self) -> None:
        """End everything, at the end of the application."""
        await self._running.stop()

    async def _run(self, video: Video, callback_url: str | None) -> None:
        # Counted from its beginning, so that progress and end agree when the task itself starts late.
        await self._sleep(max(0, video.last_indexed + video.indexing_seconds - self._clock()))
        outcome = video.next_outcome or insights.declared_outcome(video.media)
        video.failure = video.next_outcome if outcome.state != "Processed" else None
        if video.failure is None:
            video.found = video.media
        video.next_outcome = None
        video.state = outcome.state
        video.last_modified = self._clock()
        video.history.append(Indexed(video.last_indexed, video.last_modified, outcome, video.found))
        _log.info("indexed video=%s state=%s indexing=%d", video.id, video.state, video.indexings)
        if callback_url is not None:
            await self._callbacks.indexing(video, callback_url, outcome.state)

    @staticmethod
    def _ended(video: Video, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("indexing broke off video=%s", video.id, exc_info=error)

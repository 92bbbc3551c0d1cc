"""The question whether Video Indexer can be asked: a token and a list of one video, noted for all instances.

Who can't get in is told what to grant (see `keywire.video_indexer.grants`), here and in the log.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from keywire.storage.notes import Note
from keywire.video_indexer.client import VideoIndexerClient
from keywire.video_indexer.errors import ThrottledError, VideoIndexerError
from keywire.video_indexer.listing import list_videos

# Twice the time between two probes, and a little.
MAX_AGE: Final = timedelta(minutes=11)

logger: Final = logging.getLogger(__name__)


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether Video Indexer could be asked.

    Attributes:
        at: When (UTC).
        problem: What went wrong, and what helps; None where nothing did.
    """

    at: datetime
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Asks, and notes the answer.

    Attributes:
        client: Who is asked.
        note: Where the answer is noted: `control/video-indexer.json`.
        clock: The time now (UTC).
    """

    client: Callable[[], VideoIndexerClient]
    note: Note[ProbeResult]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def probe(self) -> ProbeResult:
        """Ask, and note the answer.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        result = ProbeResult(at=self.clock(), problem=await self._ask())
        await self.note.write(result)
        return result

    async def last(self) -> ProbeResult:
        """The last answer; a new one where that is old.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        last = await self.note.read()
        return last if last and self.clock() - last.at < MAX_AGE else await self.probe()

    async def _ask(self) -> str | None:
        try:
            await list_videos(self.client(), page_size=1)
        except ThrottledError as error:
            return error.reason or None  # a rate limit alone is not a problem
        except VideoIndexerError as error:
            return str(error)
        return None

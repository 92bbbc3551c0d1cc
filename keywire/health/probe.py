"""A probe of Video Indexer: get a token and list one video, and note the result for all instances.

If a role is missing, the problem says what to grant (see `keywire.video_indexer.grants`).
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

# A little more than twice the time between two probes.
MAX_AGE: Final = timedelta(minutes=11)

logger: Final = logging.getLogger(__name__)


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a probe.

    Attributes:
        at: When it was sent (UTC).
        problem: What went wrong, and what to do about it; None if it succeeded.
    """

    at: datetime
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Probes Video Indexer and notes the result.

    Attributes:
        client: Returns the client.
        note: The last result, `control/video-indexer.json`.
        clock: The time now (UTC).
    """

    client: Callable[[], VideoIndexerClient]
    note: Note[ProbeResult]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def probe(self) -> ProbeResult:
        """Probe Video Indexer now, and note the result.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        result = ProbeResult(at=self.clock(), problem=await self._find_problem())
        await self.note.write(result)
        return result

    async def last(self) -> ProbeResult:
        """Return the last result; probe again if it is older than `MAX_AGE`.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        last = await self.note.read()
        return last if last and self.clock() - last.at < MAX_AGE else await self.probe()

    async def _find_problem(self) -> str | None:
        try:
            await list_videos(self.client(), page_size=1)
        except ThrottledError as error:
            return error.reason or None  # a rate limit alone is not a problem
        except VideoIndexerError as error:
            return str(error)
        return None

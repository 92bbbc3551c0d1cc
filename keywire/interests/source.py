"""The interests that are in force: read from storage when they change, never in the way of extraction.

A broken or missing file changes nothing: the last good one stays, in this process and, by a copy in
`control/`, in those that start meanwhile. What is wrong is logged once and noted for whoever asks.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)

from keywire.interests.interest import InvalidInterestsError
from keywire.interests.matching import matcher as matching
from keywire.interests.matching.matcher import Matcher
from keywire.interests.status import InterestStatus
from keywire.storage.notes import Note

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

LOOK_EVERY_SECONDS: Final = 30.0
_NOTHING: Final = b'{"interests": []}'
# When the file was written that the copy is of, so that a slower process does not put an older one back.
_SOURCE_TIME: Final = "sourcetime"

logger: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class InterestSource:
    """What customers care about, now.

    Attributes:
        file: `config/interests.json`.
        last_good: The copy of the newest file that was good.
        status: Where it is noted what came of reading the file.
        clock: Seconds that only grow.
        problem: What is wrong with the file now, or None.
    """

    file: "BlobClient"
    last_good: "BlobClient"
    status: Note[InterestStatus]
    clock: Callable[[], float] = time.monotonic
    problem: str | None = field(default=None, init=False)
    _matcher: Matcher | None = field(default=None, init=False)
    _etag: str | None = field(default=None, init=False)
    _looked_at: float | None = field(default=None, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def matcher(self) -> Matcher:
        """The interests in force; looks at the file at most once in `LOOK_EVERY_SECONDS`.

        While a changed file is read, who has interests goes on with those.

        Raises:
            azure.core.exceptions.AzureError: Storage failed, and there is nothing to go on with.
        """
        if self._matcher is None or (self._is_due() and not self._lock.locked()):
            async with self._lock:
                if self._matcher is None or self._is_due():
                    await self._look()
        assert self._matcher is not None
        return self._matcher

    def _is_due(self) -> bool:
        return self._looked_at is None or self.clock() - self._looked_at >= LOOK_EVERY_SECONDS

    async def _look(self) -> None:
        options: dict[str, Any] = (
            {"etag": self._etag, "match_condition": MatchConditions.IfModified} if self._etag else {}
        )
        try:
            download = await self.file.download_blob(**options)
            body = await download.readall()
        except (ResourceNotModifiedError, ResourceModifiedError):  # the SDK has both for a 304
            self._looked_at = self.clock()
            return
        except ResourceNotFoundError:
            self._etag = None
            await self._keep("there is no such file")
            if not len(self._matcher or ()):
                self.problem = None  # nobody has written interests yet
            await self._note()
            return
        self._etag = str(download.properties.etag)
        try:
            matcher = await asyncio.to_thread(matching.compile, body)
        except InvalidInterestsError as error:
            await self._keep(str(error))
            await self._note()
            return
        self._matcher, self.problem, self._looked_at = matcher, None, self.clock()
        logger.info("interests=%d hash=%s in force", len(matcher), matcher.hash[:12])
        await self._copy(body, download.properties.last_modified.isoformat())
        await self._note()

    async def _note(self) -> None:
        """Note what came of reading the file; that this fails is no reason to stop anything."""
        status = InterestStatus(
            etag=self._etag,
            interests=len(self._matcher or ()),
            problem=self.problem,
            read_at=datetime.now(UTC),
        )
        try:
            await self.status.write(status)
        except AzureError as error:
            logger.warning("the state of the interests was not noted: %s", type(error).__name__)

    async def _keep(self, problem: str) -> None:
        """Go on with what was good before, and say once why."""
        if self._matcher is None:
            self._matcher = await asyncio.to_thread(matching.compile, await self._read_copy())
        if problem != self.problem:
            logger.warning("%s/%s: %s", self.file.container_name, self.file.blob_name, problem)
        self.problem, self._looked_at = problem, self.clock()

    async def _read_copy(self) -> bytes:
        try:
            return await (await self.last_good.download_blob()).readall()
        except ResourceNotFoundError:
            return _NOTHING

    async def _copy(self, body: bytes, source_time: str) -> None:
        try:
            kept = (await self.last_good.get_blob_properties()).metadata.get(_SOURCE_TIME, "")
        except ResourceNotFoundError:
            kept = ""
        if kept < source_time:
            await self.last_good.upload_blob(body, overwrite=True, metadata={_SOURCE_TIME: source_time})

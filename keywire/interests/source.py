"""The interests in force: the newest good interests file, checked before every match.

A broken or missing file changes nothing: the last good one stays in force, in this process and, through a copy in
`control/`, in processes that start meanwhile. The problem is logged once and noted for the health check.

Each look is a conditional GET, so that an extraction never goes on with a file that it could know to be old. A process
that finds a new file waits for its compilation.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from keywire.interests.interest import InvalidInterestsError
from keywire.interests.matching import matcher as matching
from keywire.interests.matching.matcher import Matcher
from keywire.interests.matching.rules import stamp_of
from keywire.interests.status import InterestStatus
from keywire.storage import swap
from keywire.storage.notes import Note
from keywire.storage.swap import ConflictError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

_NOTHING: Final = b'{"interests": []}'
# When the file was written that the copy is of: a slower process must not put an older one back.
_SOURCE_TIME: Final = "sourcetime"
# A large file may be replaced while it is downloaded in parts.
_READS: Final = 5
# Several processes may copy several files at once; each time one of them succeeds.
_COPIES: Final = 5

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The interests to match with.

    Attributes:
        matcher: The compiled file.
        stamp: Identifies the file's content and the version of the matching rules.
        checked_at: When this process last asked storage for the file, on storage's clock (UTC).
    """

    matcher: Matcher
    stamp: str
    checked_at: datetime


async def _compile_in_thread(body: bytes) -> Matcher:
    # A file of a million interests takes half a minute.
    return await asyncio.to_thread(matching.compile, body)


@dataclass(eq=False)
class InterestSource:
    """The interests in force.

    Attributes:
        file: `config/interests.json`.
        last_good: The copy of the newest file that was good.
        status: The note about the file, for the health check.
        clock: The time now (UTC), if storage does not say it.
        compile: Compiles a file; raises InvalidInterestsError.
    """

    file: "BlobClient"
    last_good: "BlobClient"
    status: Note[InterestStatus]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    compile: Callable[[bytes], Awaitable[Matcher]] = _compile_in_thread
    _matcher: Matcher | None = field(default=None, init=False)
    _modified_at: datetime | None = field(default=None, init=False)
    # The file that was read last, and what is wrong with it.
    _etag: str | None = field(default=None, init=False)
    _content_problem: str | None = field(default=None, init=False)
    # Why it could not be read at the last look.
    _access_problem: str | None = field(default=None, init=False)
    _noted: tuple[str | None, str | None] | None = field(default=None, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, or None."""
        return self._access_problem or self._content_problem

    async def current(self) -> InForce:
        """Return the interests in force, after a look at the file.

        If storage does not give the file, the last good one stays in force.

        Raises:
            azure.core.exceptions.AzureError: Storage failed, and this process has no interests yet.
        """
        date = None
        if self._matcher is not None and self._etag is not None:
            # Most looks end here, and do not wait for each other.
            date = await self._unchanged_at(self._etag)
        if date is None:
            async with self._lock:
                date = await self._load()
        assert self._matcher is not None
        return InForce(matcher=self._matcher, stamp=stamp_of(self._matcher.hash), checked_at=date)

    async def _unchanged_at(self, etag: str) -> datetime | None:
        """Return the time on storage's clock if the file still has this ETag; None if it has to be loaded."""
        seen: list[datetime] = []
        try:
            await self.file.get_blob_properties(
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
                raw_response_hook=lambda response: seen.append(self._date(response)),
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return None
        except AzureError as error:
            await self._note_problems(access=_no_access(error))
            return self.clock()
        if etag != self._etag:
            return None
        await self._note_problems(access=None)
        return seen[0] if seen else self.clock()

    async def _load(self) -> datetime:
        """Read the file if it changed since the last load; return the time on storage's clock.

        Loads run one after the other, so that the newest file wins.
        """
        seen: list[datetime] = []
        access: str | None = None
        try:
            body, properties = await self._download(lambda response: seen.append(self._date(response)))
            if body is not None:
                await self._compile(body, properties)
        except ResourceNotFoundError:
            self._etag, self._content_problem = None, None
            await self._fall_back()
            # Without any interest it was never written, which is not a problem.
            access = "there is no such file" if len(self._matcher or ()) else None
        except AzureError as error:
            await self._fall_back()
            access = _no_access(error)
        await self._note_problems(access=access)
        return seen[0] if seen else self.clock()

    async def _download(self, hook: Callable[[Any], None]) -> tuple[bytes | None, Any]:
        """Return the file and its properties; no body if it is the one that is loaded."""
        options: dict[str, Any] = {"raw_response_hook": hook}
        if self._etag is not None:
            options |= {"etag": self._etag, "match_condition": MatchConditions.IfModified}
        for attempt in range(1, _READS + 1):
            try:
                download = await self.file.download_blob(**options)
                return await download.readall(), download.properties
            except HttpResponseError as error:
                if error.status_code == 304:
                    return None, None
                # 412: the file was replaced between two parts of the download.
                if error.status_code != 412 or attempt == _READS:
                    raise
        raise AssertionError

    async def _compile(self, body: bytes, properties: Any) -> None:
        try:
            matcher = await self.compile(body)
        except InvalidInterestsError as error:
            await self._take_newer_copy()
            self._etag, self._content_problem = str(properties.etag), str(error)
        else:
            self._etag, self._content_problem = str(properties.etag), None
            self._matcher, self._modified_at = matcher, properties.last_modified
            logger.info("interests=%d hash=%s in force", len(matcher), matcher.hash[:12])
            await self._copy(body, properties.last_modified.isoformat())

    async def _fall_back(self) -> None:
        """Make sure that there are interests: those of the last good file."""
        if self._matcher is None:
            await self._take_newer_copy()

    async def _take_newer_copy(self) -> None:
        """Take the last good file, which another process may have read while this one was idle."""
        try:
            download = await self.last_good.download_blob()
            body = await download.readall()
        except ResourceNotFoundError:
            if self._matcher is None:
                self._matcher = await self.compile(_NOTHING)
            return
        source_time = download.properties.metadata.get(_SOURCE_TIME)
        written = datetime.fromisoformat(source_time) if source_time else download.properties.last_modified
        if self._matcher is None or self._modified_at is None or self._modified_at < written:
            self._matcher, self._modified_at = await self.compile(body), written

    async def _note_problems(self, *, access: str | None) -> None:
        """Log and note the state of the file if it changed. A failure to note it must not stop a match."""
        self._access_problem = access
        state = (self._etag, self.problem)
        if state == self._noted:
            return
        _, logged = self._noted or (None, None)
        self._noted = state
        if self.problem and self.problem != logged:
            logger.warning("%s/%s: %s", self.file.container_name, self.file.blob_name, self.problem)
        status = InterestStatus(
            etag=self._etag,
            interests=len(self._matcher or ()),
            problem=self.problem,
            read_at=datetime.now(UTC),
            stamp=stamp_of(self._matcher.hash) if self._matcher else None,
            modified_at=self._modified_at,
        )
        try:
            await self.status.write(status)
        except AzureError as error:
            logger.warning("the state of the interests was not noted: %s", type(error).__name__)

    async def _copy(self, body: bytes, source_time: str) -> None:
        """Keep a copy of the file, unless there is one of a newer file. A failure to copy must not stop a match."""
        try:
            for _ in range(_COPIES):
                with contextlib.suppress(ConflictError):
                    await self._replace_older_copy(body, source_time)
                    return
            logger.warning("the interests were not copied: other processes kept copying theirs")
        except AzureError as error:
            logger.warning("the interests were not copied: %s", type(error).__name__)

    async def _replace_older_copy(self, body: bytes, source_time: str) -> None:
        etag = None
        try:
            kept = await self.last_good.get_blob_properties()
        except ResourceNotFoundError:
            pass
        else:
            if kept.metadata.get(_SOURCE_TIME, "") >= source_time:
                return
            etag = kept.etag
        await swap.create_or_replace(self.last_good, body, etag, metadata={_SOURCE_TIME: source_time})

    def _date(self, response: Any) -> datetime:
        """Return the `Date` of a response: storage's clock."""
        header = response.http_response.headers.get("Date")
        try:
            date = parsedate_to_datetime(header or "")
        except ValueError:
            return self.clock()
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def _no_access(error: AzureError) -> str:
    return f"storage does not give it: {type(error).__name__}"

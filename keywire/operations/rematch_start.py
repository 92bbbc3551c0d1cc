"""Start a rematch: note and queue it, and say which interests it will use.

An HTTP process reads the note about the interests file; it does not compile the file.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.decoding import DECODE_ERRORS
from keywire.interests.status import InterestStatus
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import PageResult, RematchPage, RematchRequest
from keywire.storage.notes import Note

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient


class InterestsInForce(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The interests that a rematch begins with.

    Attributes:
        stamp: Identifies their content; None if the file changed and was not read yet.
        modified_at: When the file in force was written (UTC), if known.
        problem: Why the newest file is not in force; the last good one is used then.
    """

    stamp: str | None
    modified_at: datetime | None
    problem: str | None


class RematchStarted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A rematch that was started.

    Attributes:
        operation_id: Its id.
        dry_run: Whether it only counts.
        status: Where its progress is.
        interests: The interests that it begins with. A page that finds a newer file uses that.
        unknown_interests: Ids of the request that the file does not have; what they matched is withdrawn.
    """

    operation_id: str
    dry_run: bool
    status: str
    interests: InterestsInForce
    unknown_interests: tuple[str, ...]


class _Named(msgspec.Struct):
    id: str = ""


class _File(msgspec.Struct):
    interests: list[_Named]


_IDS = msgspec.json.Decoder(_File)


@dataclass(frozen=True, kw_only=True)
class RematchStart:
    """The use case.

    Attributes:
        log: The orders.
        file: `config/interests.json`.
        last_good: The copy of the newest file that was good.
        status: The note about the file.
    """

    log: OperationLog[RematchPage, PageResult]
    file: "BlobClient"
    last_good: "BlobClient"
    status: Note[InterestStatus]

    async def start(
        self, operation_id: str, request: RematchRequest, *, now: datetime, traceparent: str
    ) -> RematchStarted:
        """Start a rematch.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; nothing was started, or the operator can repeat it.
        """
        in_force = await self._in_force()
        unknown = await self._unknown(request.interests or (), in_force)
        first = RematchPage(
            operation_id=operation_id,
            request=request,
            traceparent=traceparent,
            interests_stamp=in_force.stamp,
            ordered_at=now,
        )
        await self.log.start(first)
        return RematchStarted(
            operation_id=operation_id,
            dry_run=request.dry_run,
            status=f"/api/operations/rematch/{operation_id}",
            interests=in_force,
            unknown_interests=unknown,
        )

    async def _in_force(self) -> InterestsInForce:
        status = await self.status.read()
        if status is None:
            return InterestsInForce(stamp=None, modified_at=None, problem=None)
        try:
            etag: str | None = str((await self.file.get_blob_properties()).etag)
        except ResourceNotFoundError:
            etag = None
        known = status.etag == etag
        return InterestsInForce(
            stamp=status.stamp if known else None,
            modified_at=status.modified_at if known else None,
            problem=status.problem if known else None,
        )

    async def _unknown(self, wanted: tuple[str, ...], in_force: InterestsInForce) -> tuple[str, ...]:
        if not wanted:
            return ()
        files = (self.last_good,) if in_force.problem else (self.file, self.last_good)
        for file in files:
            try:
                body = await (await file.download_blob()).readall()
                known = await asyncio.to_thread(_ids, body)
            except (ResourceNotFoundError, *DECODE_ERRORS):
                continue
            return tuple(each for each in wanted if each not in known)
        return wanted


def _ids(body: bytes) -> set[str]:
    return {interest.id for interest in _IDS.decode(body.removeprefix(b"\xef\xbb\xbf")).interests}

"""A check of the interests file after each change, so a mistake shows before the next extraction.

The file is validated and not compiled: only matching needs a compiled one.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from keywire.interests.file import InterestList
from keywire.interests.interest import InvalidInterestsError
from keywire.interests.matching.rules import stamp_of
from keywire.interests.status import InterestStatus
from keywire.storage.notes import Note

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient


@dataclass(frozen=True, kw_only=True)
class InterestCheck:
    """Reads the file if no process read it since it changed.

    Attributes:
        file: `config/interests.json`.
        status: The note about the last read.
        clock: The time now (UTC).
    """

    file: "BlobClient"
    status: Note[InterestStatus]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def etag(self) -> str | None:
        """Return the ETag of the current file; None if there is no file.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        try:
            return str((await self.file.get_blob_properties()).etag)
        except ResourceNotFoundError:
            return None

    async def refresh(self) -> None:
        """Read the file and note the result, unless the note is about the current file.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        noted, etag = await self.status.read(), await self.etag()
        if etag is None or (noted and noted.etag == etag):
            return
        download = await self.file.download_blob()
        body = await download.readall()
        etag = str(download.properties.etag)
        try:
            status = InterestStatus(
                etag=etag,
                interests=await asyncio.to_thread(_count, body),
                problem=None,
                read_at=self.clock(),
                stamp=stamp_of(hashlib.sha256(body).hexdigest()),
                modified_at=download.properties.last_modified,
            )
        except InvalidInterestsError as error:
            status = InterestStatus(
                etag=etag,
                interests=noted.interests if noted else 0,
                problem=str(error),
                read_at=self.clock(),
                stamp=noted.stamp if noted else None,
                modified_at=noted.modified_at if noted else None,
            )
        await self.status.write(status)


def _count(body: bytes) -> int:
    return sum(1 for _ in InterestList().read(body))

"""Looking into a changed file of interests before the next extraction does, so that a mistake shows soon.

Only read and not compiled: that is the work of those who match.
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
    """Reads the file where nobody has since it changed.

    Attributes:
        file: `config/interests.json`.
        status: Where it is noted what came of reading it.
        clock: The time now (UTC).
    """

    file: "BlobClient"
    status: Note[InterestStatus]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def etag(self) -> str | None:
        """Of the file that lies there now; None where there is none.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        try:
            return str((await self.file.get_blob_properties()).etag)
        except ResourceNotFoundError:
            return None

    async def check(self) -> None:
        """Read and note it.

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

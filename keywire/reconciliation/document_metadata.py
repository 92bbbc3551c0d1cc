"""The status of current documents, read from blob metadata without reading the documents.

There are two ways. The status of some videos costs one small request each, however many documents exist. The status of
all costs one listing request per thousand documents, which takes as long as about fifty small requests.

Documents only advance. A status that was read a while ago may therefore lead to a superfluous job, never to a lost one.
"""

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.documents.content import REMOVED_STATE
from keywire.in_parallel import for_each
from keywire.reconciliation.comparison import DocumentStatus, microseconds
from keywire.versions.current import video_id_of
from keywire.versions.status import NEVER, read_status

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import ContainerClient

CONCURRENCY: Final = 16
# A request may ask for 5,000, but the SDK needs several kilobytes of memory for each blob of a page.
LISTING_PAGE_SIZE: Final = 1000


class _State(msgspec.Struct):
    state: str


_STATE: Final = msgspec.json.Decoder(_State)


class DocumentMetadata:
    """Reads the status of one Video Indexer account's documents.

    Args:
        documents: The container `keywords`.
        account_id: The Video Indexer account: the first part of every path.
    """

    def __init__(self, documents: "ContainerClient", account_id: str) -> None:
        self._documents = documents
        self._account_id = account_id

    async def read(self, video_ids: Iterable[str]) -> dict[str, DocumentStatus]:
        """Return the status of these videos' documents, without videos that have none.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        statuses: dict[str, DocumentStatus] = {}

        async def read_one(video_id: str) -> None:
            blob = self._documents.get_blob_client(self._name(video_id))
            with suppress(ResourceNotFoundError):
                statuses[video_id] = _status(await blob.get_blob_properties())

        await for_each(video_ids, read_one, concurrency=CONCURRENCY)
        return statuses

    async def read_all(self) -> dict[str, DocumentStatus]:
        """Return the status of all documents, by video.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        return {video_id: status async for video_id, status in self._list()}

    async def read_all_up_to(self, limit: int) -> dict[str, DocumentStatus] | None:
        """Return the status of all documents, by video; None if there are more than `limit`.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        statuses = {}
        async for video_id, status in self._list():
            statuses[video_id] = status
            if len(statuses) > limit:
                return None
        return statuses

    async def tombstones(self, video_ids: Iterable[str]) -> set[str]:
        """Return the videos whose documents are tombstones. Reads each document: old metadata has no state.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        found: set[str] = set()

        async def read_one(video_id: str) -> None:
            with suppress(ResourceNotFoundError, msgspec.DecodeError):
                body = await (await self._documents.download_blob(self._name(video_id))).readall()
                if _STATE.decode(body).state == REMOVED_STATE:
                    found.add(video_id)

        await for_each(video_ids, read_one, concurrency=CONCURRENCY)
        return found

    async def _list(self) -> AsyncIterator[tuple[str, DocumentStatus]]:
        listing = self._documents.list_blobs(
            name_starts_with=f"{self._account_id}/", include=["metadata"], results_per_page=LISTING_PAGE_SIZE
        )
        async for blob in listing:
            if video_id := video_id_of(blob.name):
                yield video_id, _status(blob)

    def _name(self, video_id: str) -> str:
        return f"{self._account_id}/{video_id}.json"


def _status(blob: "BlobProperties") -> DocumentStatus:
    # Metadata that was dropped or written by hand counts as unpublished: a job publishes the document again.
    status = read_status(blob.metadata)
    return DocumentStatus(
        published=status.version > 0 and status.is_published,
        as_of=microseconds(status.as_of) if status.as_of > NEVER else 0,
        written=blob.last_modified.timestamp(),
        # Many documents share a few states and stamps.
        state=sys.intern(status.state),
        stamp=sys.intern(status.matched.interests) if status.matched else None,
        matched_at=status.matched.at.timestamp() if status.matched else None,
    )

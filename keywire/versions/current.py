"""Current documents: one blob per video, replaced only against the ETag that was read (optimistic concurrency)."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.ids import is_video_id
from keywire.storage import swap
from keywire.versions.status import PublicationStatus, read_status

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, ContainerClient

_CACHED_CLIENTS: Final = 128


@dataclass(frozen=True, kw_only=True)
class Current:
    """A current document as it was read.

    Attributes:
        document: Its content.
        body: Its bytes, which are those of its version in history.
        etag: The ETag of what was read.
        status: Its metadata.
    """

    document: KeywordDocument
    body: bytes
    etag: str
    status: PublicationStatus


class CurrentDocuments:
    """The current documents of one Video Indexer account.

    Args:
        container: The container `keywords`.
        account_id: The Video Indexer account: the first part of every path.
    """

    def __init__(self, container: "ContainerClient", account_id: str) -> None:
        # To create a client costs half as much as a request, and a job uses the same one three times.
        self._blob = lru_cache(maxsize=_CACHED_CLIENTS)(container.get_blob_client)
        self._account_id = account_id

    async def read(self, video_id: str) -> Current | None:
        """Return the current document of a video, or None.

        Raises:
            msgspec.DecodeError: The blob is not a document of this version.
            azure.core.exceptions.AzureError: Storage failed.
        """
        found = await swap.read(self._document(video_id))
        if found is None:
            return None
        document = documents.decode(found.body)
        return Current(
            document=document,
            body=found.body,
            etag=found.etag,
            status=replace(read_status(found.metadata, version=document.version), state=document.state),
        )

    async def replace(self, video_id: str, body: bytes, status: PublicationStatus, etag: str | None) -> str:
        """Make `body` the current document if its ETag is still `etag` (None: if there is none).

        Returns:
            The new ETag.

        Raises:
            keywire.storage.swap.ConflictError: The ETag is another.
            azure.core.exceptions.AzureError: Storage failed.
        """
        return await swap.create_or_replace(
            self._document(video_id), body, etag, metadata=status.to_metadata()
        )

    async def set_status(self, video_id: str, status: PublicationStatus, etag: str) -> str:
        """Replace the current document's metadata if its ETag is still `etag`.

        Returns:
            The new ETag.

        Raises:
            keywire.storage.swap.ConflictError: The ETag is another, or the document was deleted.
            azure.core.exceptions.AzureError: Storage failed.
        """
        return await swap.set_metadata(self._document(video_id), status.to_metadata(), etag)

    def _document(self, video_id: str) -> "BlobClient":
        return self._blob(f"{self._account_id}/{video_id}.json")


def video_id_of(name: str) -> str | None:
    """Return the video of a current document's blob name, or None if the blob is not a document."""
    _, _, file = name.partition("/")
    video_id = file.removesuffix(".json")
    return video_id if file.endswith(".json") and is_video_id(video_id) else None

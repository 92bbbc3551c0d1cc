"""A video's history: its versions and what consumers were told. A file is written once and never changed."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContentSettings

from keywire.decoding import DECODE_ERRORS
from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.storage import swap
from keywire.storage.swap import ConflictError
from keywire.versions.names import ACTIVE, EVENTS, HistoryNames, edition_name, version_name

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, ContainerClient

_NDJSON: Final = "application/x-ndjson"
_JSON: Final = "application/json"


class History:
    """The histories of one Video Indexer account's videos.

    Args:
        container: The container `keywords-history`.
        account_id: The Video Indexer account: the first part of every path.
    """

    def __init__(self, container: "ContainerClient", account_id: str) -> None:
        self._container = container
        self._account_id = account_id

    async def names(self, video_id: str) -> HistoryNames:
        """Return the names of all files of a video: one request for 5,000 files.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        folder = self._folder(video_id)
        names = self._container.list_blob_names(name_starts_with=folder)
        return HistoryNames(tuple([name.removeprefix(folder) async for name in names]))

    async def create_version(self, document: KeywordDocument) -> bytes:
        """Write a version unless it exists, and return the bytes that are stored.

        A job that crashed may have written the same content at another time; its bytes stay.

        Raises:
            ConflictError: The version existed and was discarded meanwhile.
            azure.core.exceptions.AzureError: Storage failed.
        """
        blob = self._version(document)
        body = documents.encode(document)
        try:
            await swap.create_or_replace(blob, body, None)
        except ConflictError:
            stored = await swap.read(blob)
            if stored is None:
                raise
            return stored.body
        return body

    async def read_version(self, video_id: str, number: int, content_hash: str) -> KeywordDocument | None:
        """Return a version of the past; None if its file is missing or not readable.

        Args:
            video_id: The video.
            number: The version's number.
            content_hash: Its content hash, or the first 12 digits of it.
        """
        name = self._folder(video_id) + version_name(number, content_hash)
        try:
            return documents.decode(await (await self._container.download_blob(name)).readall())
        except (ResourceNotFoundError, *DECODE_ERRORS):
            return None

    def version_url(self, document: KeywordDocument) -> str:
        """Return the URL of a version's file."""
        return self._version(document).url

    async def discard_version(self, document: KeywordDocument) -> None:
        """Delete a version that lost a race and never became the current document."""
        with suppress(ResourceNotFoundError):
            await self._version(document).delete_blob()

    async def write_list(self, video_id: str, edition: int, body: bytes) -> str:
        """Write the events of an edition, and return the file's name.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        return await self._write(video_id, edition_name(edition, body, EVENTS), body, _NDJSON)

    async def write_active(self, video_id: str, edition: int, body: bytes) -> str:
        """Write the record of the matches that hold after a rematch, and return the file's name.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        return await self._write(video_id, edition_name(edition, body, ACTIVE), body, _JSON)

    async def read(self, video_id: str, name: str) -> bytes | None:
        """Return the bytes of an event list or a record; None if the file was pruned or erased.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        try:
            return await (await self._container.download_blob(self._folder(video_id) + name)).readall()
        except ResourceNotFoundError:
            return None

    async def read_events(self, video_id: str, name: str) -> tuple[bytes, ...]:
        """Return the events of a list; none if the file was pruned or erased.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        return envelope.split(await self.read(video_id, name) or b"")

    async def erase(self, tombstone: KeywordDocument, keep: str | None, *, empty: bool) -> int:
        """Delete every file of a removed video except its tombstone and the list of its removal.

        Args:
            tombstone: The document of the removed video.
            keep: The list of its removal; it repeats the keywords that were withdrawn.
            empty: Empty that list too.

        Returns:
            How many files were deleted.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the next job of the video continues.
        """
        folder = self._folder(tombstone.video_id)
        kept = {folder + version_name(tombstone.version, tombstone.content_hash)}
        if keep is not None:
            kept.add(folder + keep)
        if keep is not None and empty:
            await self._container.upload_blob(
                folder + keep, b"", overwrite=True, content_settings=ContentSettings(content_type=_NDJSON)
            )
        names = [name async for name in self._container.list_blob_names(name_starts_with=folder)]
        erased = [name for name in names if name not in kept]
        for name in erased:
            with suppress(ResourceNotFoundError):
                await self._container.delete_blob(name)
        return len(erased)

    async def _write(self, video_id: str, name: str, body: bytes, content_type: str) -> str:
        # Its content decides its name: a file of this name has these bytes.
        blob = self._container.get_blob_client(self._folder(video_id) + name)
        with suppress(ConflictError):
            await swap.create_or_replace(blob, body, None, content_type=content_type)
        return name

    def _version(self, document: KeywordDocument) -> "BlobClient":
        name = version_name(document.version, document.content_hash)
        return self._container.get_blob_client(self._folder(document.video_id) + name)

    def _folder(self, video_id: str) -> str:
        return f"{self._account_id}/{video_id}/"

"""Keyword documents in Blob Storage: the current one of each video, and every version of it.

A current document is replaced only against the ETag that was read; versions and their events are
written once and never again. What is known of a document besides its content lies in its metadata:
which version is published, and up to which moment on Video Indexer's clock it answers.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import ContentSettings

from keywire.documents import document as documents
from keywire.documents.document import KeywordDocument
from keywire.ids import is_video_id

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, ContainerClient

VERSION: Final = "version"
PUBLISHED: Final = "published"
AS_OF: Final = "asof"

EVENTS: Final = "events.ndjson"
NDJSON: Final = "application/x-ndjson"
REMATCH: Final = "rematch-"

CACHED_CLIENTS: Final = 128


class ConflictError(Exception):
    """Somebody else wrote the document since it was read."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A current document as it was read.

    Attributes:
        document: Its content.
        etag: Of what was read.
        published: Whether every destination has the events of its version.
        as_of: The newest moment on Video Indexer's clock that it answers for (UTC).
    """

    document: KeywordDocument
    etag: str
    published: bool
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class PublicationStatus:
    """A document's metadata: a listing tells what is unpublished, without reading a document.

    Attributes:
        version: Of the document.
        published_version: The newest version whose events every destination has.
        as_of: See `Stored`.
    """

    version: int
    published_version: int
    as_of: datetime

    def to_metadata(self) -> dict[str, str]:
        """As blob metadata."""
        return {
            VERSION: str(self.version),
            PUBLISHED: str(self.published_version),
            AS_OF: self.as_of.astimezone(UTC).isoformat(),
        }


@dataclass(frozen=True, kw_only=True)
class EventList:
    """A stored list of events.

    Attributes:
        name: Its blob.
        published: Whether every destination has it; None for a version's own, whose document says so.
        etag: Of a rematch's.
    """

    name: str
    published: bool | None
    etag: str | None = None


class DocumentStore(Protocol):
    """Where documents are kept; `BlobDocumentStore` in production."""

    async def read(self, video_id: str) -> Stored | None:
        """The current document, or None."""

    async def create_version(self, document: KeywordDocument) -> tuple[bytes, str]:
        """Write a version unless it exists; return what lies there, and its URL.

        Raises:
            ConflictError: It lay there and was taken away.
        """

    async def create_events(self, document: KeywordDocument, events: bytes) -> bytes:
        """Write a version's events unless they exist; return what lies there.

        Raises:
            ConflictError: They lay there and were taken away.
        """

    def version_url(self, document: KeywordDocument) -> str:
        """Where a version lies."""

    def own_events(self, document: KeywordDocument) -> EventList:
        """The list that a version was made with."""

    async def event_lists(self, document: KeywordDocument) -> list[EventList]:
        """The event lists of a version: its own, then those of rematches, oldest first."""

    async def read_list(self, event_list: EventList) -> bytes:
        """The events of a list."""

    async def create_rematch(self, document: KeywordDocument, number: int, events: bytes) -> EventList:
        """Write a version's next rematch list; its number is one more than there are.

        Raises:
            ConflictError: Another rematch has that number.
        """

    async def claim_list(self, event_list: EventList) -> None:
        """Note that somebody begins to send a rematch's list: from now on it is not taken away.

        Raises:
            ConflictError: It was taken away.
        """

    async def mark_list_published(self, event_list: EventList) -> None:
        """Note that every destination has the list."""

    async def remove_list(self, event_list: EventList) -> None:
        """Take away a rematch's list, unless somebody has begun to send it."""

    async def read_version(self, video_id: str, version: int, content_hash: str) -> KeywordDocument:
        """A version of the past."""

    async def replace(self, video_id: str, body: bytes, marks: PublicationStatus, etag: str | None) -> str:
        """Make `body` the current document if that still is `etag` (None: if there is none); the new ETag.

        Raises:
            ConflictError: It is not.
        """

    async def mark(self, video_id: str, marks: PublicationStatus, etag: str) -> str:
        """Change the current document's metadata if that still is `etag`; the new ETag.

        Raises:
            ConflictError: It is not.
        """

    async def remove_version(self, document: KeywordDocument) -> None:
        """Take away a version that never became the current document."""

    async def erase_before(self, tombstone: KeywordDocument) -> int:
        """Take away all versions before a tombstone that is published, with their events.

        Its own events tell what was withdrawn: they are emptied, and sent to nobody again. Returns how many
        files were taken away.
        """


class BlobDocumentStore:
    """Documents of one Video Indexer account in two containers.

    Args:
        current: The container `keywords`.
        history: The container `keywords-history`.
        account_id: The Video Indexer account: the first part of every path.
    """

    def __init__(self, current: "ContainerClient", history: "ContainerClient", account_id: str) -> None:
        # Making a client costs as much as half a request, and a job needs the same one three times.
        self._current = lru_cache(maxsize=CACHED_CLIENTS)(current.get_blob_client)
        self._history = history
        self._account_id = account_id

    async def read(self, video_id: str) -> Stored | None:
        """See `DocumentStore`."""
        try:
            download = await self._document(video_id).download_blob()
        except ResourceNotFoundError:
            return None
        document = documents.decode(await download.readall())
        metadata = download.properties.metadata
        return Stored(
            document=document,
            etag=str(download.properties.etag),
            published=metadata.get(PUBLISHED) == str(document.version),
            # Whoever wrote the blob by hand dropped its metadata: publish it again, and ask again.
            as_of=datetime.fromisoformat(metadata.get(AS_OF, "0001-01-01T00:00:00+00:00")),
        )

    async def create_version(self, document: KeywordDocument) -> tuple[bytes, str]:
        """See `DocumentStore`."""
        blob = self._version(document, "json")
        return await _create(blob, documents.encode(document), "application/json"), blob.url

    async def create_events(self, document: KeywordDocument, events: bytes) -> bytes:
        """See `DocumentStore`."""
        return await _create(self._version(document, EVENTS), events, NDJSON)

    def version_url(self, document: KeywordDocument) -> str:
        """See `DocumentStore`."""
        return self._version(document, "json").url

    def own_events(self, document: KeywordDocument) -> EventList:
        """See `DocumentStore`."""
        name = self._name(document.video_id, document.version, document.content_hash, EVENTS)
        return EventList(name=name, published=None)

    async def event_lists(self, document: KeywordDocument) -> list[EventList]:
        """See `DocumentStore`."""
        own = self.own_events(document)
        prefix = own.name.removesuffix(EVENTS)
        # A listing is in the order of names, which is that of the rematches' numbers.
        rematches = [
            blob async for blob in self._history.list_blobs(f"{prefix}{REMATCH}", include=["metadata"])
        ]
        return [
            own,
            *(
                EventList(
                    name=blob.name, published=(blob.metadata or {}).get(PUBLISHED) == "1", etag=blob.etag
                )
                for blob in rematches
            ),
        ]

    async def read_list(self, event_list: EventList) -> bytes:
        """See `DocumentStore`."""
        return await (await self._history.download_blob(event_list.name)).readall()

    async def create_rematch(self, document: KeywordDocument, number: int, events: bytes) -> EventList:
        """See `DocumentStore`."""
        blob = self._version(document, f"{REMATCH}{number:04d}.{EVENTS}")
        content_settings = ContentSettings(content_type=NDJSON)
        try:
            written = await blob.upload_blob(events, overwrite=False, content_settings=content_settings)
        except (ResourceExistsError, ResourceModifiedError) as error:
            raise ConflictError(document.video_id) from error
        return EventList(name=blob.blob_name, published=False, etag=str(written["etag"]))

    async def claim_list(self, event_list: EventList) -> None:
        """See `DocumentStore`."""
        try:
            await self._history.get_blob_client(event_list.name).set_blob_metadata({PUBLISHED: "0"})
        except ResourceNotFoundError as error:
            raise ConflictError(event_list.name) from error

    async def mark_list_published(self, event_list: EventList) -> None:
        """See `DocumentStore`."""
        await self._history.get_blob_client(event_list.name).set_blob_metadata({PUBLISHED: "1"})

    async def remove_list(self, event_list: EventList) -> None:
        """See `DocumentStore`."""
        with suppress(ResourceModifiedError, ResourceNotFoundError):
            await self._history.get_blob_client(event_list.name).delete_blob(
                etag=event_list.etag, match_condition=MatchConditions.IfNotModified
            )

    async def read_version(self, video_id: str, version: int, content_hash: str) -> KeywordDocument:
        """See `DocumentStore`."""
        blob = self._history.get_blob_client(self._name(video_id, version, content_hash, "json"))
        return documents.decode(await (await blob.download_blob()).readall())

    async def replace(self, video_id: str, body: bytes, marks: PublicationStatus, etag: str | None) -> str:
        """See `DocumentStore`."""
        blob = self._document(video_id)
        content_settings = ContentSettings(content_type="application/json")
        try:
            if etag is None:
                written = await blob.upload_blob(
                    body, metadata=marks.to_metadata(), content_settings=content_settings, overwrite=False
                )
            else:
                written = await blob.upload_blob(
                    body,
                    metadata=marks.to_metadata(),
                    content_settings=content_settings,
                    overwrite=True,
                    etag=etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except (ResourceExistsError, ResourceModifiedError) as error:
            raise ConflictError(video_id) from error
        return str(written["etag"])

    async def mark(self, video_id: str, marks: PublicationStatus, etag: str) -> str:
        """See `DocumentStore`."""
        try:
            written = await self._document(video_id).set_blob_metadata(
                marks.to_metadata(), etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except ResourceModifiedError as error:
            raise ConflictError(video_id) from error
        return str(written["etag"])

    async def remove_version(self, document: KeywordDocument) -> None:
        """See `DocumentStore`."""
        for suffix in (EVENTS, "json"):
            try:
                await self._version(document, suffix).delete_blob()
            except ResourceNotFoundError:
                continue

    async def erase_before(self, tombstone: KeywordDocument) -> int:
        """See `DocumentStore`."""
        await self._version(tombstone, EVENTS).upload_blob(
            b"", overwrite=True, content_settings=ContentSettings(content_type=NDJSON)
        )
        folder = f"{self._account_id}/{tombstone.video_id}/"
        before = f"{folder}{tombstone.version:06d}-"
        # A listing is in the order of names, which begin with the version's number.
        names = [
            name async for name in self._history.list_blob_names(name_starts_with=folder) if name < before
        ]
        for name in names:
            with suppress(ResourceNotFoundError):
                await self._history.delete_blob(name)
        return len(names)

    def _document(self, video_id: str) -> "BlobClient":
        return self._current(f"{self._account_id}/{video_id}.json")

    def _version(self, document: KeywordDocument, suffix: str) -> "BlobClient":
        name = self._name(document.video_id, document.version, document.content_hash, suffix)
        return self._history.get_blob_client(name)

    def _name(self, video_id: str, version: int, content_hash: str, suffix: str) -> str:
        return f"{self._account_id}/{video_id}/{version:06d}-{content_hash[:12]}.{suffix}"


def video_id_of(name: str) -> str | None:
    """The video of a current document's blob, or None where that is something else."""
    _, _, file = name.partition("/")
    video_id = file.removesuffix(".json")
    return video_id if file.endswith(".json") and is_video_id(video_id) else None


async def _create(blob: "BlobClient", body: bytes, content_type: str) -> bytes:
    """Write a blob unless it exists; return what lies there."""
    try:
        await blob.upload_blob(
            body, overwrite=False, content_settings=ContentSettings(content_type=content_type)
        )
    except (ResourceExistsError, ResourceModifiedError):
        try:
            return await (await blob.download_blob()).readall()
        except ResourceNotFoundError as error:
            # Whoever wrote it lost the race for its number, and took it away.
            raise ConflictError(blob.blob_name) from error
    return body

"""What the metadata of the current documents tells, read without the documents.

Two ways, because both are needed: of some videos, one small request each, however many documents there are;
of all, a request for a thousand, which takes as long as some fifty of those. Documents only ever advance, so
marks that were read a while ago lead to a job too many and never to one too few.
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

AT_ONCE: Final = 16
# A fifth of what one request may ask for: the client makes several kilobytes of each blob.
LISTED_AT_ONCE: Final = 1000


class _State(msgspec.Struct):
    state: str


_STATE: Final = msgspec.json.Decoder(_State)


class DocumentMetadata:
    """Marks of one Video Indexer account's documents.

    Args:
        documents: The container `keywords`.
        account_id: The Video Indexer account: the first part of every path.
    """

    def __init__(self, documents: "ContainerClient", account_id: str) -> None:
        self._documents = documents
        self._account_id = account_id

    async def of(self, video_ids: Iterable[str]) -> dict[str, DocumentStatus]:
        """The marks of these videos' documents; those without a document are left out."""
        marks: dict[str, DocumentStatus] = {}

        async def look(video_id: str) -> None:
            blob = self._documents.get_blob_client(self._name(video_id))
            with suppress(ResourceNotFoundError):
                marks[video_id] = _mark(await blob.get_blob_properties())

        await for_each(video_ids, look, at_once=AT_ONCE)
        return marks

    async def all(self) -> dict[str, DocumentStatus]:
        """The marks of all documents, by video."""
        return {video_id: mark async for video_id, mark in self._listed()}

    async def all_up_to(self, most: int) -> dict[str, DocumentStatus] | None:
        """The marks of all documents; None where there are more than `most`."""
        marks = {}
        async for video_id, mark in self._listed():
            marks[video_id] = mark
            if len(marks) > most:
                return None
        return marks

    async def tombstones(self, video_ids: Iterable[str]) -> set[str]:
        """Those of which the document says that they were removed; metadata doesn't, so each is read."""
        found: set[str] = set()

        async def look(video_id: str) -> None:
            with suppress(ResourceNotFoundError, msgspec.DecodeError):
                body = await (await self._documents.download_blob(self._name(video_id))).readall()
                if _STATE.decode(body).state == REMOVED_STATE:
                    found.add(video_id)

        await for_each(video_ids, look, at_once=AT_ONCE)
        return found

    async def _listed(self) -> AsyncIterator[tuple[str, DocumentStatus]]:
        listing = self._documents.list_blobs(
            name_starts_with=f"{self._account_id}/", include=["metadata"], results_per_page=LISTED_AT_ONCE
        )
        async for blob in listing:
            if video_id := video_id_of(blob.name):
                yield video_id, _mark(blob)

    def _name(self, video_id: str) -> str:
        return f"{self._account_id}/{video_id}.json"


def _mark(blob: "BlobProperties") -> DocumentStatus:
    # Metadata that was written by hand, or dropped, counts as unpublished: publish it again, and ask again.
    status = read_status(blob.metadata)
    return DocumentStatus(
        published=status.version > 0 and status.is_published,
        as_of=microseconds(status.as_of) if status.as_of > NEVER else 0,
        written=blob.last_modified.timestamp(),
        # A million documents share a few states and stamps.
        state=sys.intern(status.state),
        stamp=sys.intern(status.matched.interests) if status.matched else None,
        matched_at=status.matched.at.timestamp() if status.matched else None,
    )

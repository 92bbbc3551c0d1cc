"""Optimistic concurrency on a blob: read it, change it, and write it only if its ETag is still the one that was read.

`swap` repeats these steps until no other process came between. The other functions are the steps.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContentSettings, StorageErrorCode

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

# Processes that lost the same race wait for different times before they read again.
JITTER_SECONDS: Final = 0.02


class ConflictError(Exception):
    """The blob changed since it was read; read it again."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A blob as it was read.

    Attributes:
        body: Its bytes.
        etag: Its ETag.
        metadata: Its metadata; the names are in lower case or as they were written.
    """

    body: bytes
    etag: str
    metadata: Mapping[str, str]


async def read(blob: "BlobClient") -> Snapshot | None:
    """Return the blob, or None if it does not exist.

    Raises:
        azure.core.exceptions.AzureError: Storage failed, or the container does not exist.
    """
    try:
        download = await blob.download_blob()
        body = await download.readall()
    except ResourceNotFoundError as error:
        if _container_is_missing(error):
            raise
        return None
    properties = download.properties
    return Snapshot(body=body, etag=str(properties.etag), metadata=dict(properties.metadata or {}))


async def create_or_replace(
    blob: "BlobClient",
    body: bytes,
    etag: str | None,
    *,
    metadata: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> str:
    """Write the blob if its ETag is still `etag`, and return the new ETag.

    Args:
        blob: The blob.
        body: Its new bytes.
        etag: The ETag that was read; None creates the blob.
        metadata: Its new metadata; None removes what it had.
        content_type: Its media type.

    Raises:
        ConflictError: The ETag is another, the blob was deleted, or it exists and should be created.
        azure.core.exceptions.AzureError: Storage failed, or the container does not exist.
    """
    condition: dict[str, Any] = (
        {"overwrite": True, "etag": etag, "match_condition": MatchConditions.IfNotModified}
        if etag is not None
        else {"overwrite": False}
    )
    try:
        written = await blob.upload_blob(
            body,
            metadata=dict(metadata or {}),
            content_settings=ContentSettings(content_type=content_type),
            **condition,
        )
    except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as error:
        if _container_is_missing(error):
            raise
        raise ConflictError(f"another process changed {blob.container_name}/{blob.blob_name}") from error
    return str(written["etag"])


async def set_metadata(blob: "BlobClient", metadata: Mapping[str, str], etag: str) -> str:
    """Replace the blob's metadata if its ETag is still `etag`, and return the new ETag.

    Raises:
        ConflictError: The ETag is another, or the blob was deleted.
        azure.core.exceptions.AzureError: Storage failed, or the container does not exist.
    """
    try:
        written = await blob.set_blob_metadata(
            dict(metadata), etag=etag, match_condition=MatchConditions.IfNotModified
        )
    except (ResourceModifiedError, ResourceNotFoundError) as error:
        if _container_is_missing(error):
            raise
        raise ConflictError(f"another process changed {blob.container_name}/{blob.blob_name}") from error
    return str(written["etag"])


async def swap[T](
    blob: "BlobClient", change: Callable[[Snapshot | None], tuple[bytes, T]], *, attempts: int
) -> T:
    """Change the blob's bytes, and start again with what it is then if another process changed it meanwhile.

    The blob's metadata stays. Equal bytes are not written.

    Args:
        blob: The blob.
        change: Returns the new bytes, and a result. It is called once per attempt with the blob as it is then (None
            if it does not exist), so it has no effects of its own that it could not repeat.
        attempts: How many times to try, at least once.

    Returns:
        The result that belongs to the bytes that the blob has now.

    Raises:
        ConflictError: Other processes changed the blob during every attempt.
        azure.core.exceptions.AzureError: Storage failed, or the container does not exist.
    """
    attempt = 1
    while True:
        snapshot = await read(blob)
        body, result = change(snapshot)
        if snapshot is not None and body == snapshot.body:
            return result
        try:
            if snapshot is None:
                await create_or_replace(blob, body, None)
            else:
                await create_or_replace(blob, body, snapshot.etag, metadata=snapshot.metadata)
        except ConflictError:
            if attempt >= attempts:
                raise
        else:
            return result
        await asyncio.sleep(random.uniform(0, JITTER_SECONDS))  # noqa: S311 - not for security
        attempt += 1


def _container_is_missing(error: HttpResponseError) -> bool:
    # The SDK adds the attribute to the error that it raises.
    return getattr(error, "error_code", None) == StorageErrorCode.CONTAINER_NOT_FOUND

"""Optimistic concurrency on real storage: what is written, and what a lost race raises."""

import asyncio
import uuid
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from keywire.storage import swap
from keywire.storage.layout import CONTROL_CONTAINER
from keywire.storage.swap import ConflictError, Snapshot
from local.storage import InsightsStorage


class Contested:
    """A blob that another process increments after each read."""

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self.container_name, self.blob_name = blob.container_name, blob.blob_name
        self.upload_blob = blob.upload_blob

    async def download_blob(self) -> Any:
        downloaded = await self._blob.download_blob()
        await swap.swap(self._blob, _increment, attempts=1)
        return downloaded


@pytest.fixture
def blob(insights: InsightsStorage) -> BlobClient:
    return insights.blobs.get_blob_client(CONTROL_CONTAINER, f"swap-{uuid.uuid4().hex}.json")


@pytest.fixture
def blob_without_container(insights: InsightsStorage) -> BlobClient:
    return insights.blobs.get_blob_client("no-such-container", "swap.json")


def _increment(snapshot: Snapshot | None) -> tuple[bytes, int]:
    number = int(snapshot.body) + 1 if snapshot else 1
    return str(number).encode(), number


async def _read(blob: BlobClient) -> Snapshot:
    snapshot = await swap.read(blob)
    assert snapshot is not None
    return snapshot


async def test_a_blob_that_does_not_exist_is_read_as_none(blob: BlobClient) -> None:
    assert await swap.read(blob) is None


async def test_a_blob_is_read_with_the_etag_and_the_metadata_that_were_written(blob: BlobClient) -> None:
    etag = await swap.create_or_replace(blob, b"{}", None, metadata={"version": "1"})
    assert await swap.read(blob) == Snapshot(body=b"{}", etag=etag, metadata={"version": "1"})
    properties = await blob.get_blob_properties()
    assert properties.content_settings.content_type == "application/json"


async def test_a_blob_is_created_once(blob: BlobClient) -> None:
    await swap.create_or_replace(blob, b"first", None)
    with pytest.raises(ConflictError, match=f"control/{blob.blob_name}"):
        await swap.create_or_replace(blob, b"second", None)
    assert (await _read(blob)).body == b"first"


async def test_a_blob_is_replaced_only_against_its_newest_etag(blob: BlobClient) -> None:
    first = await swap.create_or_replace(blob, b"first", None, metadata={"version": "1"})
    second = await swap.create_or_replace(blob, b"second", first)
    with pytest.raises(ConflictError):
        await swap.create_or_replace(blob, b"third", first)
    assert await swap.read(blob) == Snapshot(body=b"second", etag=second, metadata={})


async def test_metadata_is_replaced_only_against_the_newest_etag(blob: BlobClient) -> None:
    first = await swap.create_or_replace(blob, b"body", None, metadata={"version": "1", "sent": "1"})
    second = await swap.set_metadata(blob, {"version": "2"}, first)
    with pytest.raises(ConflictError):
        await swap.set_metadata(blob, {"version": "3"}, first)
    assert await swap.read(blob) == Snapshot(body=b"body", etag=second, metadata={"version": "2"})


async def test_a_blob_that_was_deleted_meanwhile_is_a_conflict(blob: BlobClient) -> None:
    etag = await swap.create_or_replace(blob, b"{}", None)
    await blob.delete_blob()
    with pytest.raises(ConflictError):
        await swap.create_or_replace(blob, b"{}", etag)
    with pytest.raises(ConflictError):
        await swap.set_metadata(blob, {}, etag)


async def test_a_missing_container_is_neither_an_absent_blob_nor_a_conflict(
    blob_without_container: BlobClient,
) -> None:
    with pytest.raises(ResourceNotFoundError):
        await swap.read(blob_without_container)
    with pytest.raises(ResourceNotFoundError):
        await swap.create_or_replace(blob_without_container, b"{}", None)
    with pytest.raises(ResourceNotFoundError):
        await swap.set_metadata(blob_without_container, {}, '"0x1"')


async def test_concurrent_swaps_lose_no_change(blob: BlobClient) -> None:
    results = await asyncio.gather(*(swap.swap(blob, _increment, attempts=100) for _ in range(12)))
    assert sorted(results) == list(range(1, 13))
    assert (await _read(blob)).body == b"12"


async def test_a_swap_starts_again_with_the_newest_blob_and_fails_after_its_attempts(
    blob: BlobClient,
) -> None:
    await swap.create_or_replace(blob, b"10", None)
    contested: Any = Contested(blob)
    seen: list[int] = []

    def change(snapshot: Snapshot | None) -> tuple[bytes, None]:
        assert snapshot is not None
        seen.append(int(snapshot.body))
        return b"never written", None

    with pytest.raises(ConflictError):
        await swap.swap(contested, change, attempts=3)
    assert seen == [10, 11, 12]
    assert (await _read(blob)).body == b"13"


async def test_a_swap_keeps_metadata_and_writes_no_equal_bytes(blob: BlobClient) -> None:
    etag = await swap.create_or_replace(blob, b"1", None, metadata={"owner": "test"})
    assert await swap.swap(blob, lambda _: (b"1", "unchanged"), attempts=1) == "unchanged"
    assert (await _read(blob)).etag == etag
    assert await swap.swap(blob, _increment, attempts=1) == 2
    assert (await _read(blob)).metadata == {"owner": "test"}

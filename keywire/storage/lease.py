"""A lease on a blob: one holder at a time among all instances.

The lease ends a minute after its holder was killed. A holder that was suspended for longer does not notice that it lost
the lease, so its writes need optimistic concurrency as well.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobLeaseClient

LEASE_SECONDS: Final = 60
RENEW_SECONDS: Final = 20.0

logger: Final = logging.getLogger(__name__)


@asynccontextmanager
async def try_acquire(blob: "BlobClient") -> AsyncIterator[bool]:
    """Hold the lease on `blob` while the block runs; yield False if another instance holds it.

    Raises:
        azure.core.exceptions.AzureError: Storage failed.
    """
    lease = await _acquire(blob)
    if lease is None:
        yield False
        return
    renewal = asyncio.create_task(_renew(lease))
    try:
        yield True
    finally:
        renewal.cancel()
        with suppress(AzureError):
            await lease.release()


async def _acquire(blob: "BlobClient") -> "BlobLeaseClient | None":
    try:
        return await blob.acquire_lease(lease_duration=LEASE_SECONDS)
    except ResourceNotFoundError:
        # Another instance may have created or leased it meanwhile; retry once to find out.
        with suppress(ResourceExistsError):
            await blob.upload_blob(b"", overwrite=False)
    except ResourceExistsError:
        return None
    try:
        return await blob.acquire_lease(lease_duration=LEASE_SECONDS)
    except ResourceExistsError:
        return None


async def _renew(lease: "BlobLeaseClient") -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await lease.renew()
        except AzureError as error:
            logger.warning("lease not renewed: %s", type(error).__name__)

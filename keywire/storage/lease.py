"""A lease on a blob: one run at a time, whatever the number of instances.

It ends by itself a minute after its holder was killed. A holder that was only asleep for so long doesn't
notice; so what it writes must be guarded by ETags besides.
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
async def held(blob: "BlobClient") -> AsyncIterator[bool]:
    """Hold the lease on `blob` while the block runs; False where somebody else holds it.

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
        # Whoever makes it first, and whoever has its lease by now: the next try tells.
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
            logger.warning("a lease was not renewed: %s", type(error).__name__)

"""Notes in `control/`: small JSON blobs by which the instances tell each other what one of them saw.

The last one to write wins. What must not be overwritten by a slower process is no note.
"""

from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContentSettings

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient


class Note[T: msgspec.Struct]:
    """One note.

    Args:
        blob: Where it is.
        note_type: `T`.
    """

    def __init__(self, blob: "BlobClient", note_type: type[T]) -> None:
        self._blob = blob
        self._decoder = msgspec.json.Decoder(note_type)

    async def read(self) -> T | None:
        """What is noted; None where nothing is, or what no longer can be read.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        try:
            body = await (await self._blob.download_blob()).readall()
            return self._decoder.decode(body)
        except (ResourceNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def write(self, value: T) -> None:
        """Note it.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        await self._blob.upload_blob(
            msgspec.json.encode(value),
            overwrite=True,
            content_settings=ContentSettings(content_type="application/json"),
        )

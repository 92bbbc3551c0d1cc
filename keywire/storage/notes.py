"""Notes in `control/`: small JSON blobs that share with all instances what one of them observed.

The last write wins. A value that a slower process must not overwrite needs `keywire.storage.swap`.
"""

from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContentSettings

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient


class Note[T: msgspec.Struct]:
    """Reads and replaces one note.

    Args:
        blob: The note's blob.
        note_type: `T`.
    """

    def __init__(self, blob: "BlobClient", note_type: type[T]) -> None:
        self._blob = blob
        self._decoder = msgspec.json.Decoder(note_type)

    async def read(self) -> T | None:
        """Return the note; None if it does not exist or cannot be read.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        try:
            body = await (await self._blob.download_blob()).readall()
            return self._decoder.decode(body)
        except (ResourceNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def write(self, value: T) -> None:
        """Replace the note.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        await self._blob.upload_blob(
            msgspec.json.encode(value),
            overwrite=True,
            content_settings=ContentSettings(content_type="application/json"),
        )

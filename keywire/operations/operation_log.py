"""An operation that goes page by page: its order, its messages on a queue, and what each page came to.

Notes lie in `control/{kind}/{operationId}/`: `order.json`, and `page-000001.json` for each page that is done.
What a page does is not known here, so that an HTTP process orders and asks without loading it.
"""

from typing import TYPE_CHECKING

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue.aio import QueueClient


class OperationLog[R: msgspec.Struct]:
    """The operations of one kind; `R` is what a page comes to.

    Args:
        control: The container `control`.
        queue: Where pages wait; its client encodes with base64.
        kind: The folder's name.
        result_type: `R`.
    """

    def __init__(
        self, control: "ContainerClient", queue: "QueueClient", *, kind: str, result_type: type[R]
    ) -> None:
        self._control = control
        self._queue = queue
        self._kind = kind
        self._result_type = result_type

    async def order(self, operation_id: str, first: msgspec.Struct) -> None:
        """Note an operation by its first page, and queue that."""
        name = f"{self._folder(operation_id)}order.json"
        await self._control.upload_blob(name, msgspec.json.encode(first), overwrite=True)
        await self.send(first)

    async def send(self, page: msgspec.Struct) -> None:
        """Queue a page."""
        await self._queue.send_message(msgspec.json.encode(page).decode(), time_to_live=KEEP_FOREVER)

    async def is_noted(self, operation_id: str, number: int) -> bool:
        """Whether a page is done."""
        return await self._control.get_blob_client(self._page(operation_id, number)).exists()

    async def note(self, operation_id: str, number: int, result: R) -> None:
        """Note what a page came to."""
        name = self._page(operation_id, number)
        await self._control.upload_blob(name, msgspec.json.encode(result), overwrite=True)

    async def read(self, operation_id: str) -> tuple[bytes, list[R]] | None:
        """An operation's first page and the results so far; None where there is none of that id."""
        folder = self._folder(operation_id)
        try:
            order = await self._read(f"{folder}order.json")
        except ResourceNotFoundError:
            return None
        names = self._control.list_blob_names(name_starts_with=f"{folder}page-")
        results = [
            msgspec.json.decode(await self._read(name), type=self._result_type) async for name in names
        ]
        return order, results

    async def _read(self, name: str) -> bytes:
        return await (await self._control.download_blob(name)).readall()

    def _folder(self, operation_id: str) -> str:
        return f"{self._kind}/{operation_id}/"

    def _page(self, operation_id: str, number: int) -> str:
        return f"{self._folder(operation_id)}page-{number:06d}.json"

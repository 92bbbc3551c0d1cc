"""The log of an operation that runs page by page: its order, its messages on a queue, the result of each page.

Notes are in `control/{kind}/{operationId}/`: `order.json`, and `page-000001.json` for each page that is done. A page
queues the next one before it notes its own result: a page that runs again changes nothing, and a page whose result is
noted does not run again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec
from azure.core.exceptions import ResourceNotFoundError

from keywire.jobs.queue import MessageQueue

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient


class Page(Protocol):
    """A page of an operation: a message on its queue.

    Attributes:
        operation_id: The operation.
        number: 1, 2, ...
    """

    @property
    def operation_id(self) -> str: ...  # noqa: D102 - see the class

    @property
    def number(self) -> int: ...  # noqa: D102 - see the class


class OperationLog[P: Page, R: msgspec.Struct]:
    """The operations of one kind.

    Args:
        control: The container `control`.
        queue: The queue of the pages.
        kind: The folder in `control`.
        decode: Reads a page from bytes.
        result_type: The type of a page's result.
    """

    def __init__(
        self,
        control: "ContainerClient",
        queue: MessageQueue,
        *,
        kind: str,
        decode: Callable[[bytes], P],
        result_type: type[R],
    ) -> None:
        self._control = control
        self._queue = queue
        self._kind = kind
        self._decode = decode
        self._result_type = result_type

    async def start(self, first: P) -> None:
        """Note an operation's order, which is its first page, and queue that page.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        name = f"{self._folder(first.operation_id)}order.json"
        await self._control.upload_blob(name, msgspec.json.encode(first), overwrite=True)
        await self.send(first)

    async def send(self, page: P) -> None:
        """Queue a page.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send(msgspec.json.encode(page).decode())

    async def is_done(self, page: P) -> bool:
        """Return whether a page's result is noted.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        return await self._control.get_blob_client(self._page(page)).exists()

    async def note(self, page: P, result: R) -> None:
        """Note a page's result.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        await self._control.upload_blob(self._page(page), msgspec.json.encode(result), overwrite=True)

    async def read(self, operation_id: str) -> tuple[P, list[R]] | None:
        """Return an operation's first page and the results so far; None if there is no such operation.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        folder = self._folder(operation_id)
        try:
            order = await self._read(f"{folder}order.json")
        except ResourceNotFoundError:
            return None
        names = self._control.list_blob_names(name_starts_with=f"{folder}page-")
        results = [
            msgspec.json.decode(await self._read(name), type=self._result_type) async for name in names
        ]
        return self._decode(order), results

    async def _read(self, name: str) -> bytes:
        return await (await self._control.download_blob(name)).readall()

    def _folder(self, operation_id: str) -> str:
        return f"{self._kind}/{operation_id}/"

    def _page(self, page: P) -> str:
        return f"{self._folder(page.operation_id)}page-{page.number:06d}.json"

"""Processes that die around one effect: storage clients that raise before or after they carry it out."""

from collections.abc import Awaitable
from typing import Any, Final

from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue.aio import QueueClient

VERSION_EFFECTS: Final = ("create_version", "write_list", "swap", "send", "mark")
REMATCH_EFFECTS: Final = ("write_list", "write_active", "swap", "send", "mark")


class CrashError(Exception):
    """The process dies here."""


class Crashing:
    """Dies before or after the first time that one effect is carried out."""

    def __init__(self, effect: str, *, after: bool) -> None:
        self._effect = effect
        self._after = after

    async def do[T](self, effect: str, action: Awaitable[T]) -> T:
        if effect == self._effect and not self._after:
            if hasattr(action, "close"):
                action.close()
            raise CrashError
        result = await action
        if effect == self._effect:
            raise CrashError
        return result

    def container(self, client: ContainerClient) -> Any:
        return _Container(client, self)

    def queue(self, client: QueueClient) -> Any:
        return _Queue(client, self)


class _Proxy:
    def __init__(self, client: Any, crashing: Crashing) -> None:
        self._client = client
        self._crashing = crashing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _Container(_Proxy):
    def get_blob_client(self, name: str) -> Any:
        return _Blob(self._client.get_blob_client(name), self._crashing)

    async def upload_blob(self, name: str, body: bytes, **options: Any) -> Any:
        return await self.get_blob_client(name).upload_blob(body, **options)


class _Blob(_Proxy):
    async def upload_blob(self, body: bytes, **options: Any) -> Any:
        return await self._crashing.do(_upload_of(self._client), self._client.upload_blob(body, **options))

    async def set_blob_metadata(self, metadata: dict[str, str], **options: Any) -> Any:
        effect = "mark" if metadata.get("sent") == metadata.get("edition") else "swap"
        return await self._crashing.do(effect, self._client.set_blob_metadata(metadata, **options))


class _Queue(_Proxy):
    async def send_message(self, text: str, **options: Any) -> Any:
        return await self._crashing.do("send", self._client.send_message(text, **options))


def _upload_of(blob: BlobClient) -> str:
    if blob.container_name == "keywords":
        return "swap"
    if blob.blob_name.endswith(".events.ndjson"):
        return "write_list"
    return "write_active" if blob.blob_name.endswith(".active.json") else "create_version"

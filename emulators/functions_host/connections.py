"""How a connection name of a binding becomes a queue client: the host's rules for app settings.

`<Connection>` alone is a connection string. Without it the connection uses an identity:
`<Connection>__queueServiceUri` (or `__serviceUri`, or `__accountName` for the public cloud), with
`__credential=managedidentity` and `__clientId`, or the default credential when `__credential` is absent. The
name may be given with or without the prefix `AzureWebJobs`, as the WebJobs SDK looks it up.

Resolving is pure, so that a missing setting stops the process before it takes work; opening imports the Azure
clients, which a process without queues never pays for. Left out: client secrets and certificates
(`__tenantId`, `__clientSecret`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from emulators.functions_host.errors import MissingSettingError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.queue.aio import QueueServiceClient

_PREFIX: Final = "AzureWebJobs"


@dataclass(frozen=True, slots=True)
class QueueConnection:
    """A resolved connection: either a connection string, or a service address for an identity."""

    name: str
    connection_string: str = ""
    service_url: str = ""
    managed_identity: bool = False
    client_id: str | None = None

    def __repr__(self) -> str:
        """Without the connection string, which holds a key."""
        return f"QueueConnection({self.name!r})"


def resolve(name: str, settings: Mapping[str, str]) -> QueueConnection:
    """Find the settings of the connection `name`.

    Raises:
        MissingSettingError: Neither form is there; the message names both.
    """
    for prefix in dict.fromkeys((name, name if name.startswith(_PREFIX) else _PREFIX + name)):
        if connection_string := settings.get(prefix):
            return QueueConnection(name, connection_string=connection_string)
        url = settings.get(f"{prefix}__queueServiceUri") or settings.get(f"{prefix}__serviceUri")
        if not url and (account := settings.get(f"{prefix}__accountName")):
            url = f"https://{account}.queue.core.windows.net"
        if url:
            credential = settings.get(f"{prefix}__credential", "").lower()
            if credential not in ("", "managedidentity"):
                raise MissingSettingError(f"{prefix}__credential must be managedidentity or absent")
            return QueueConnection(
                name,
                service_url=url,
                managed_identity=credential == "managedidentity",
                client_id=settings.get(f"{prefix}__clientId") or None,
            )
    raise MissingSettingError(
        f"The connection {name} has no app setting: set {name}__queueServiceUri (or {name}__accountName) "
        f"for an identity, or {name} to a connection string"
    )


def check_event_hub(name: str, settings: Mapping[str, str]) -> None:
    """Check that the Event Hubs connection `name` has its settings; here nothing connects with them.

    Raises:
        MissingSettingError: It has not; the message says what the real host would look for.
    """
    for prefix in dict.fromkeys((name, name if name.startswith(_PREFIX) else _PREFIX + name)):
        if settings.get(prefix) or settings.get(f"{prefix}__fullyQualifiedNamespace"):
            return
    raise MissingSettingError(
        f"The connection {name} has no app setting: set {name}__fullyQualifiedNamespace for an identity, "
        f"or {name} to a connection string"
    )


class QueueServices:
    """The queue service clients of a process: one for each connection, opened at first use."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._open: dict[str, tuple[QueueServiceClient, AsyncTokenCredential | None]] = {}

    def get(self, connection: str) -> "QueueServiceClient":
        """The client of a connection.

        Raises:
            MissingSettingError: The connection has no app setting.
        """
        if connection not in self._open:
            self._open[connection] = _open(resolve(connection, self._settings))
        return self._open[connection][0]

    async def close(self) -> None:
        """Close every client and credential."""
        while self._open:
            _, (client, credential) = self._open.popitem()
            await client.close()
            if credential is not None:
                await credential.close()


def _open(connection: QueueConnection) -> "tuple[QueueServiceClient, AsyncTokenCredential | None]":
    from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415 - see the module's docstring

    # Three retries in about six seconds, like the .NET client of the real extension; Python's default
    # waits 15 s and more before each.
    retry: dict[str, Any] = {
        "initial_backoff": 1,
        "increment_base": 1,
        "random_jitter_range": 1,
        "retry_total": 3,
    }
    if connection.connection_string:
        return QueueServiceClient.from_connection_string(connection.connection_string, **retry), None
    credential = _credential(connection)
    return QueueServiceClient(connection.service_url, credential=credential, **retry), credential


def _credential(connection: QueueConnection) -> "AsyncTokenCredential":
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if connection.managed_identity:
        return ManagedIdentityCredential(client_id=connection.client_id)
    return DefaultAzureCredential(managed_identity_client_id=connection.client_id)

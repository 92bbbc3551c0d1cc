"""The settings, read once from the environment and checked at start.

Connections are written as Functions bindings understand them: `InsightsStorage__blobServiceUri` and its
siblings for an identity, or `InsightsStorage` for a connection string. The same connection serves the
queue triggers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONNECTION: Final = "InsightsStorage"

KEYWORDS_CONTAINER: Final = "keywords"
HISTORY_CONTAINER: Final = "keywords-history"
CONFIG_CONTAINER: Final = "config"
CONTROL_CONTAINER: Final = "control"
INTERESTS_BLOB: Final = "interests.json"
EVENTS_QUEUE: Final = "personalization-events"

_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE_ID: Final = re.compile(
    r"/subscriptions/[^/?#\s]+/resourceGroups/[^/?#\s]+/providers/Microsoft\.VideoIndexer/accounts/[^/?#\s]+",
    re.IGNORECASE,
)
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_ACCOUNT_NAME: Final = re.compile(r"[a-z0-9]{3,24}")
_CREDENTIAL: Final = re.compile(r"managedidentity", re.IGNORECASE)
_CONNECTION_STRING: Final = re.compile(r"(.*;)?(AccountName|UseDevelopmentStorage)=.+", re.IGNORECASE)
_LOCATION: Final = re.compile(r"[a-z0-9]+")
_ENDPOINT: Final = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")


class InvalidSettingsError(ValueError):
    """Settings are missing or wrong; the message names each of them."""


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """How to reach the insights storage account: by connection string, or by addresses and an identity."""

    connection_string: str | None
    blob_service_uri: str | None
    queue_service_uri: str | None


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """Who Keywire is.

    Attributes:
        managed: Use a managed identity only; otherwise what `DefaultAzureCredential` finds.
        client_id: Of a user-assigned managed identity; None for the system-assigned one.
    """

    managed: bool
    client_id: str | None


@dataclass(frozen=True, kw_only=True)
class VideoIndexerSettings:
    """The account that is listened to.

    Attributes:
        resource_id: Its ARM resource id; also the `source` of every event.
        account_id: Its GUID on the data plane.
        location: Its Azure region, `westeurope` for instance.
        language: Translate insights to this language; None leaves them as they were spoken.
        endpoint: The data plane, without a trailing slash.
        resource_manager_endpoint: Azure Resource Manager, without a trailing slash.
        resource_manager_audience: For whom its tokens are; another than the endpoint behind a private link.
    """

    resource_id: str
    account_id: str
    location: str
    language: str | None
    endpoint: str
    resource_manager_endpoint: str
    resource_manager_audience: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings.

    Attributes:
        event_grid_endpoint: Of the custom topic that gets all events besides the queue, or None.
    """

    storage: StorageSettings
    identity: IdentitySettings
    video_indexer: VideoIndexerSettings
    event_grid_endpoint: str | None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Settings":
        """Read and check the settings.

        Raises:
            InvalidSettingsError: Names every setting that is missing or malformed, all of them at once.
        """
        reader = _Reader(environment)
        resource_manager = reader.endpoint("AZURE_RESOURCE_MANAGER_ENDPOINT", "https://management.azure.com")
        settings = Settings(
            storage=_storage(reader),
            identity=IdentitySettings(
                managed=reader.checked(f"{CONNECTION}__credential", _CREDENTIAL, "managedidentity")
                is not None,
                client_id=reader.optional(f"{CONNECTION}__clientId"),
            ),
            video_indexer=VideoIndexerSettings(
                resource_id=reader.required("VIDEO_INDEXER_RESOURCE_ID", _RESOURCE_ID, "an ARM resource id"),
                # Its case makes no difference to Video Indexer, but to blob paths and event ids it would.
                account_id=reader.required("VIDEO_INDEXER_ACCOUNT_ID", _GUID, "a GUID").lower(),
                location=reader.required("VIDEO_INDEXER_LOCATION", _LOCATION, "a region such as westeurope"),
                language=reader.checked("VIDEO_INDEXER_LANGUAGE", _LANGUAGE, "a language such as en-US"),
                endpoint=reader.endpoint("VIDEO_INDEXER_ENDPOINT", "https://api.videoindexer.ai"),
                resource_manager_endpoint=resource_manager,
                resource_manager_audience=reader.endpoint(
                    "AZURE_RESOURCE_MANAGER_AUDIENCE", resource_manager
                ),
            ),
            event_grid_endpoint=reader.checked("EVENT_GRID_TOPIC_ENDPOINT", _ENDPOINT, "an https address"),
        )
        reader.check()
        return settings


def _storage(reader: "_Reader") -> StorageSettings:
    connection_string = reader.checked(CONNECTION, _CONNECTION_STRING, "a connection string")
    account_name = reader.checked(f"{CONNECTION}__accountName", _ACCOUNT_NAME, "a storage account's name")

    def uri(service: str) -> str | None:
        name = f"{CONNECTION}__{service}ServiceUri"
        if connection_string:
            return None
        if account_name and not reader.optional(name):
            return f"https://{account_name}.{service}.core.windows.net"
        return reader.required(name, _ENDPOINT, "an https address").rstrip("/")

    return StorageSettings(
        connection_string=connection_string, blob_service_uri=uri("blob"), queue_service_uri=uri("queue")
    )


class _Reader:
    """Reads settings and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def optional(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def checked(self, name: str, form: re.Pattern[str], described: str) -> str | None:
        return self.required(name, form, described) if self.optional(name) else None

    def required(self, name: str, form: re.Pattern[str], described: str) -> str:
        value = self.optional(name)
        if value is None:
            self._problems.append(f"{name} is missing ({described})")
        elif not form.fullmatch(value):
            self._problems.append(f"{name} is not {described}")
        return value or ""

    def endpoint(self, name: str, default: str) -> str:
        if self.optional(name) is None:
            return default
        return self.required(name, _ENDPOINT, "an https address").rstrip("/")

    def check(self) -> None:
        if self._problems:
            raise InvalidSettingsError("settings: " + "; ".join(self._problems))

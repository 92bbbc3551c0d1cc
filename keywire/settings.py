"""Settings: read from the environment and checked once at start.

Connections have the names that Functions bindings use: `InsightsStorage__blobServiceUri` and its siblings for an
identity, or `InsightsStorage` for a connection string. The queue triggers use the same connection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keywire.signals import callback_urls

CONNECTION: Final = "InsightsStorage"
# The connection to the Event Hub of Video Indexer's diagnostic log, and the setting that names the hub.
LOG_CONNECTION: Final = "VideoIndexerLog"
LOG_EVENT_HUB: Final = "VIDEO_INDEXER_LOG_EVENT_HUB"

DEFAULT_BACKFILL_SHARE: Final = 0.5

_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE_ID: Final = re.compile(
    r"/subscriptions/[A-Za-z0-9-]+/resourceGroups/(?!\.+/)[\w.()-]+"
    r"/providers/Microsoft\.VideoIndexer/accounts/[A-Za-z0-9-]+",
    re.IGNORECASE,
)
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_ACCOUNT_NAME: Final = re.compile(r"[a-z0-9]{3,24}")
_CREDENTIAL: Final = re.compile(r"managedidentity", re.IGNORECASE)
_CONNECTION_STRING: Final = re.compile(r"(.*;)?(AccountName|UseDevelopmentStorage)=.+", re.IGNORECASE)
_SHARE: Final = re.compile(r"1(\.0+)?|0?\.\d*[1-9]\d*")
_SHARE_OR_OFF: Final = re.compile(rf"off|{_SHARE.pattern}")
_TOKEN: Final = re.compile(r"reader|restricted-viewer")
_SWITCH: Final = re.compile(r"true|false")
_LOCATION: Final = re.compile(r"[a-z0-9]+")
_ENDPOINT: Final = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")
_HUB: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")
_CONSUMER_GROUP: Final = re.compile(r"\$Default|[A-Za-z0-9]([A-Za-z0-9._-]{0,48}[A-Za-z0-9])?", re.IGNORECASE)
_HOST: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class InvalidSettingsError(ValueError):
    """Settings are missing or malformed; the error names each of them and never quotes a value."""


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """The insights storage account: a connection string, or endpoints that are used with an identity."""

    connection_string: str | None
    blob_service_uri: str | None
    queue_service_uri: str | None


@dataclass(frozen=True, kw_only=True)
class IdentitySettings:
    """The app's identity.

    Attributes:
        managed: Use a managed identity only; otherwise `DefaultAzureCredential` chooses.
        client_id: The client id of a user-assigned managed identity; None for the system-assigned one.
    """

    managed: bool
    client_id: str | None


@dataclass(frozen=True, kw_only=True)
class VideoIndexerSettings:
    """The Video Indexer account.

    Attributes:
        resource_id: The account's ARM resource id; also the `source` of every event.
        account_id: The account's GUID on the data plane.
        location: The account's Azure region, for example `westeurope`.
        language: Video Indexer translates the insights to this language; None leaves them as they were spoken.
        endpoint: The data plane, without a trailing slash.
        resource_manager_endpoint: Azure Resource Manager, without a trailing slash.
        resource_manager_audience: The audience of its tokens; behind a private link it differs from the endpoint.
        restricted_token: Request restricted viewer's tokens instead of reader's.
        quota_share: Keywire's part of the account's quota, more than 0 and at most 1; None for no gate.
        backfill_share: Backfill's part of `quota_share`, more than 0 and at most 1.
    """

    resource_id: str
    account_id: str
    location: str
    language: str | None
    endpoint: str
    resource_manager_endpoint: str
    resource_manager_audience: str
    restricted_token: bool
    quota_share: float | None
    backfill_share: float


@dataclass(frozen=True, kw_only=True)
class CallbackSettings:
    """Signed callback URLs.

    Attributes:
        signing_keys: The keys, newest first; empty if callback URLs are not signed.
        base_url: The app's URL for Video Indexer, without a trailing slash; None means the host of the request.
    """

    signing_keys: tuple[bytes, ...] = field(repr=False)
    base_url: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings.

    Attributes:
        storage: The insights storage account.
        identity: The app's identity.
        video_indexer: The Video Indexer account.
        callback: Signed callback URLs.
        event_grid_endpoint: The custom topic that gets every event; None for the queue only.
        erase_removed: Erase a removed video's keywords from its document and its history.
        log_event_hub: The Event Hub with Video Indexer's diagnostic log; None if the log is not read.
        log_consumer_group: The consumer group for reading it.
    """

    storage: StorageSettings
    identity: IdentitySettings
    video_indexer: VideoIndexerSettings
    callback: CallbackSettings
    event_grid_endpoint: str | None
    erase_removed: bool
    log_event_hub: str | None
    log_consumer_group: str

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Settings":
        """Read and check the settings.

        Raises:
            InvalidSettingsError: Settings are missing or malformed; the error names all of them.
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
                # Video Indexer ignores the case of the GUID; blob paths and event ids do not.
                account_id=reader.required("VIDEO_INDEXER_ACCOUNT_ID", _GUID, "a GUID").lower(),
                location=reader.required("VIDEO_INDEXER_LOCATION", _LOCATION, "a region such as westeurope"),
                restricted_token=reader.checked("VIDEO_INDEXER_TOKEN", _TOKEN, "reader or restricted-viewer")
                == "restricted-viewer",
                language=reader.checked("VIDEO_INDEXER_LANGUAGE", _LANGUAGE, "a language such as en-US"),
                quota_share=_quota_share(reader),
                backfill_share=_backfill_share(reader),
                endpoint=reader.endpoint("VIDEO_INDEXER_ENDPOINT", "https://api.videoindexer.ai"),
                resource_manager_endpoint=resource_manager,
                resource_manager_audience=reader.endpoint(
                    "AZURE_RESOURCE_MANAGER_AUDIENCE", resource_manager
                ),
            ),
            callback=_callback(reader),
            event_grid_endpoint=reader.checked("EVENT_GRID_TOPIC_ENDPOINT", _ENDPOINT, "an https URL"),
            erase_removed=reader.checked("ERASE_REMOVED", _SWITCH, "true or false") == "true",
            log_event_hub=_log_event_hub(reader),
            log_consumer_group=reader.checked(
                "VIDEO_INDEXER_LOG_CONSUMER_GROUP", _CONSUMER_GROUP, "a consumer group's name"
            )
            or "$Default",
        )
        reader.raise_if_invalid()
        return settings


def _quota_share(reader: "_Reader") -> float | None:
    share = reader.checked("VIDEO_INDEXER_QUOTA_SHARE", _SHARE_OR_OFF, "a share such as 0.5, or off")
    if share is None:
        return 1.0
    return float(share) if _SHARE.fullmatch(share) else None


def _backfill_share(reader: "_Reader") -> float:
    share = reader.checked("VIDEO_INDEXER_BACKFILL_SHARE", _SHARE, "a share such as 0.5")
    return float(share) if share and _SHARE.fullmatch(share) else DEFAULT_BACKFILL_SHARE


def _storage(reader: "_Reader") -> StorageSettings:
    connection_string = reader.checked(CONNECTION, _CONNECTION_STRING, "a connection string")
    account_name = reader.checked(f"{CONNECTION}__accountName", _ACCOUNT_NAME, "a storage account's name")

    def uri(service: str) -> str | None:
        name = f"{CONNECTION}__{service}ServiceUri"
        if connection_string:
            return None
        if account_name and not reader.optional(name):
            return f"https://{account_name}.{service}.core.windows.net"
        return reader.required(name, _ENDPOINT, "an https URL").rstrip("/")

    return StorageSettings(
        connection_string=connection_string, blob_service_uri=uri("blob"), queue_service_uri=uri("queue")
    )


def _callback(reader: "_Reader") -> CallbackSettings:
    # In Azure the setting is a host name. With a port it comes from Core Tools, which may use http.
    host = reader.optional("WEBSITE_HOSTNAME") or ""
    own = f"https://{host}" if _HOST.fullmatch(host) else None
    base_url = reader.checked("CALLBACK_BASE_URL", _ENDPOINT, "an https URL") or own
    return CallbackSettings(
        signing_keys=reader.signing_keys("CALLBACK_SIGNING_KEYS"), base_url=base_url and base_url.rstrip("/")
    )


def _log_event_hub(reader: "_Reader") -> str | None:
    hub = reader.checked(LOG_EVENT_HUB, _HUB, "an Event Hub's name")
    # The host needs one of the two; without both, it reports the error hours later or never.
    if hub and not reader.optional(LOG_CONNECTION):
        name = f"{LOG_CONNECTION}__fullyQualifiedNamespace"
        reader.required(name, _HOST, "a host such as newsroom.servicebus.windows.net")
    return hub


class _Reader:
    """Reads settings and collects all problems."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def optional(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def checked(self, name: str, form: re.Pattern[str], description: str) -> str | None:
        return self.required(name, form, description) if self.optional(name) else None

    def required(self, name: str, form: re.Pattern[str], description: str) -> str:
        value = self.optional(name)
        if value is None:
            self._problems.append(f"{name} is missing ({description})")
        elif not form.fullmatch(value):
            self._problems.append(f"{name} is not {description}")
        return value or ""

    def endpoint(self, name: str, default: str) -> str:
        if self.optional(name) is None:
            return default
        return self.required(name, _ENDPOINT, "an https URL").rstrip("/")

    def signing_keys(self, name: str) -> tuple[bytes, ...]:
        text = self.optional(name)
        try:
            return callback_urls.read_keys(text) if text else ()
        except callback_urls.InvalidKeysError as error:
            self._problems.append(f"{name} is not one or two keys: {error}")
            return ()

    def raise_if_invalid(self) -> None:
        if self._problems:
            raise InvalidSettingsError("settings: " + "; ".join(self._problems))

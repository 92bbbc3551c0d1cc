"""The settings, read once from the environment and checked at start.

Connections are written as Functions bindings understand them: `InsightsStorage__blobServiceUri` and its
siblings for an identity, or `InsightsStorage` for a connection string. The same connection serves the
queue triggers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keywire.signals import callback_urls

CONNECTION: Final = "InsightsStorage"
# Of the Event Hub that Video Indexer's own log goes to, and the setting that names it.
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
        restricted_token: Ask with a restricted viewer's token, not with a reader's.
        quota_share: How much of the account's request quota is ours, more than 0 and at most 1; None to ask
            without a gate.
        backfill_share: How much of that backfill may have at most, more than 0 and at most 1.
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
    """What callback addresses are made of.

    Attributes:
        signing_keys: The newest first; none where no addresses are signed.
        base_url: How Video Indexer reaches this app, without a trailing slash; None where only a request
            can tell.
    """

    signing_keys: tuple[bytes, ...] = field(repr=False)
    base_url: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings.

    Attributes:
        event_grid_endpoint: Of the custom topic that gets all events besides the queue, or None.
        erase_removed: Erase a removed video's keywords from its document and its history.
        log_event_hub: The Event Hub that gets Video Indexer's own log, or None.
        log_consumer_group: As which Keywire reads it.
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
            event_grid_endpoint=reader.checked("EVENT_GRID_TOPIC_ENDPOINT", _ENDPOINT, "an https address"),
            erase_removed=reader.checked("ERASE_REMOVED", _SWITCH, "true or false") == "true",
            log_event_hub=_log_event_hub(reader),
            log_consumer_group=reader.checked(
                "VIDEO_INDEXER_LOG_CONSUMER_GROUP", _CONSUMER_GROUP, "a consumer group's name"
            )
            or "$Default",
        )
        reader.check()
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
        return reader.required(name, _ENDPOINT, "an https address").rstrip("/")

    return StorageSettings(
        connection_string=connection_string, blob_service_uri=uri("blob"), queue_service_uri=uri("queue")
    )


def _callback(reader: "_Reader") -> CallbackSettings:
    # Azure names an app by its host alone; with a port it is Core Tools, which may well speak http.
    host = reader.optional("WEBSITE_HOSTNAME") or ""
    own = f"https://{host}" if _HOST.fullmatch(host) else None
    base_url = reader.checked("CALLBACK_BASE_URL", _ENDPOINT, "an https address") or own
    return CallbackSettings(
        signing_keys=reader.signing_keys("CALLBACK_SIGNING_KEYS"), base_url=base_url and base_url.rstrip("/")
    )


def _log_event_hub(reader: "_Reader") -> str | None:
    hub = reader.checked(LOG_EVENT_HUB, _HUB, "an Event Hub's name")
    # The host takes either; without both, it says so hours later or never.
    if hub and not reader.optional(LOG_CONNECTION):
        name = f"{LOG_CONNECTION}__fullyQualifiedNamespace"
        reader.required(name, _HOST, "a host such as newsroom.servicebus.windows.net")
    return hub


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

    def signing_keys(self, name: str) -> tuple[bytes, ...]:
        text = self.optional(name)
        try:
            return callback_urls.read_keys(text) if text else ()
        except callback_urls.InvalidKeysError as error:
            self._problems.append(f"{name} is not one or two keys: {error}")
            return ()

    def check(self) -> None:
        if self._problems:
            raise InvalidSettingsError("settings: " + "; ".join(self._problems))

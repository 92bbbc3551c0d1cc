"""The whole local stack: started together, wired as a deployment wires them, ended together.

    async with LocalStack() as stack:
        ...  # stack.host.url, stack.video_indexer_url, stack.storage

The functions run with the environment that production gives them: addresses and a managed identity, no
key of storage or Video Indexer and no connection string. The variables are built from nothing, so that
what a developer has in theirs changes nothing.
"""

import asyncio
import base64
import contextlib
import dataclasses
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import httpx

from emulators import identity
from emulators.azurite import Azurite
from emulators.framework import certificates
from emulators.framework.certificates import Certificates
from emulators.framework.checkout import PROJECT
from emulators.framework.processes import ChildProcess, inherited, python
from emulators.functions_host.supervisor import FunctionsHost
from emulators.telemetry import Kind, TelemetryReceiver
from emulators.video_indexer.config import EmulatorConfig
from keywire.settings import LOG_CONNECTION, LOG_EVENT_HUB
from local import storage
from local.storage import InsightsStorage
from local.uploader import Uploader

if TYPE_CHECKING:
    import ssl

# The Video Indexer account that the stack plays unless told otherwise.
ACCOUNT: Final = EmulatorConfig(
    account_id="8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63",
    account_name="keywire-local",
    subscription_id="5c0e9a7b-1f42-4d86-b3c9-2a7e8d6f4b10",
    resource_group="keywire-local",
    location="westeurope",
    client_id=identity.CLIENT_ID,
)

LOG_HUB: Final = "video-indexer-log"
# Nothing connects with them: the local host takes what the Event Hub would hand on by HTTP.
LOG_SETTINGS: Final[Mapping[str, str]] = {
    LOG_EVENT_HUB: LOG_HUB,
    f"{LOG_CONNECTION}__fullyQualifiedNamespace": "keywire-local.servicebus.windows.net",
    f"{LOG_CONNECTION}__credential": "managedidentity",
    f"{LOG_CONNECTION}__clientId": identity.CLIENT_ID,
}


@dataclass(kw_only=True)
class LocalStack:
    """The stack as an asynchronous context manager.

    Attributes:
        app_directory: The function app to run.
        emulator: Video Indexer's account and its limits.
        instances: How many processes each function group has; 1 where nothing is said.
        settings: App settings besides those that the stack itself makes.
        event_grid: Whether the app publishes to the topic, which is there anyway.
        diagnostics: Whether the app listens to Video Indexer's own log; it gets what `send_log` sends.
        telemetry: Where the app's telemetry goes, to be read at `telemetry_url`; None for nowhere.
        with_host: Whether to run the app; without, Core Tools can do it, with `core_tools_settings`.
        log: Where the output of every process goes; None keeps only what errors need.
        on_disk: Whether storage is kept on disk, so that it can be stopped and started.
        access_log: Where Azurite writes a line for each request; None for nowhere.
    """

    app_directory: Path = PROJECT
    emulator: EmulatorConfig = field(default_factory=lambda: ACCOUNT)
    instances: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    event_grid: bool = True
    diagnostics: bool = False
    telemetry: Kind | None = None
    with_host: bool = True
    on_disk: bool = False
    log: TextIO | None = None
    access_log: TextIO | None = None

    directory: Path = field(init=False)
    certificates: Certificates = field(init=False)
    azurite: Azurite = field(init=False)
    cloud: ChildProcess = field(init=False)
    storage: InsightsStorage = field(init=False)
    host: FunctionsHost = field(init=False)
    identity_url: str = field(init=False)
    video_indexer_url: str = field(init=False)
    event_grid_url: str = field(init=False)
    function_key: str = field(init=False)
    master_key: str = field(init=False)
    signing_key: str = field(init=False)
    _identity_header: str = field(init=False)
    _receiver: TelemetryReceiver | None = field(init=False, default=None)
    _exits: contextlib.AsyncExitStack = field(init=False)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as exits:
            await self._start(exits)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def _start(self, exits: contextlib.AsyncExitStack) -> None:
        self.directory = Path(exits.enter_context(_temporary_directory()))
        self.certificates = certificates.issue(self.directory)
        self._identity_header, self.function_key, self.master_key = (
            secrets.token_urlsafe(32) for _ in range(3)
        )
        self.signing_key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.azurite = Azurite(
            self.directory,
            self.certificates,
            in_memory=not self.on_disk,
            access_log=self.access_log is not None,
            log=self.access_log or self.log,
        )
        self.cloud = ChildProcess(
            name="cloud",
            command=python(
                *("-m", "emulators.azure_process"),
                *("--certificate", str(self.certificates.certificate), "--key", str(self.certificates.key)),
                *("--config", json.dumps(dataclasses.asdict(self.emulator))),
            ),
            environment=base_environment()
            | self.certificates.environment()
            | {"IDENTITY_HEADER": self._identity_header},
            log=self.log,
        )
        exits.push_async_callback(self.cloud.stop)
        exits.push_async_callback(self.azurite.stop)
        lines = await self._start_services()
        addresses = json.loads(lines[0])
        self.identity_url, self.video_indexer_url = addresses["identity"], addresses["videoIndexer"]
        self.event_grid_url = addresses["eventGrid"]
        self.storage = await exits.enter_async_context(
            storage.connect(
                blob_endpoint=self.azurite.blob_endpoint,
                queue_endpoint=self.azurite.queue_endpoint,
                authority=self.certificates.authority,
            )
        )
        await self.storage.provision()
        await self._place_dead_letters()
        if self.telemetry is not None:
            self._receiver = TelemetryReceiver(
                kind=self.telemetry,
                certificates=self.certificates,
                environment=base_environment(),
                log=self.log,
            )
            exits.push_async_callback(self._receiver.stop)
            await self._receiver.start()
        if not self.with_host:
            return
        self.host = await exits.enter_async_context(
            FunctionsHost(self.app_directory, self.app_environment(), instances=self.instances, log=self.log)
        )

    async def _place_dead_letters(self) -> None:
        # Told afterwards: the topic and the storage that it writes to start at the same time.
        container = f"{self.azurite.blob_endpoint}/{storage.DEAD_LETTERS_CONTAINER}"
        async with self.client() as http:
            place = f"{self.event_grid_url}/emulator/dead-letters"
            (await http.put(place, json={"container": container})).raise_for_status()

    async def _start_services(self) -> list[str]:
        # Both are waited for, so that neither is left behind when the other fails.
        started = await asyncio.gather(
            self.cloud.start(ready=['"ready"']), self.azurite.start(), return_exceptions=True
        )
        for result in started:
            if isinstance(result, BaseException):
                raise result
        assert not isinstance(started[0], BaseException)
        return started[0]

    @property
    def callback_url(self) -> str:
        """What an uploader gives as `callbackUrl`: it carries the function key, as in production."""
        return f"{self.host.url}/api/video-indexer/callback?code={self.function_key}"

    @property
    def event_grid_topic_endpoint(self) -> str:
        """What a publisher is given, as the topic's resource says it."""
        return f"{self.event_grid_url}/api/events"

    @property
    def telemetry_url(self) -> str:
        """The receiver of the app's telemetry; what came is shown under `/emulator`."""
        if self._receiver is None:
            raise RuntimeError("The stack was started without telemetry")
        return self._receiver.url

    @property
    def log_url(self) -> str:
        """Where batches for the Event Hub of Video Indexer's log go, as JSON arrays of message bodies."""
        for process in self.host.processes.get("function:diagnostics", ()):
            if process.returncode is None and process.url is not None:
                return f"{process.url}/emulator/eventhubs/{LOG_HUB}"
        raise RuntimeError("No process listens to Video Indexer's log")

    async def send_log(self, records: Sequence[object]) -> None:
        """Hand on diagnostic records as Azure Monitor does, all in one message; returns when they were taken.

        Raises:
            httpx.HTTPStatusError: The function raised, or there was nothing to hand on.
        """
        async with self.client() as http:
            message = json.dumps({"records": records})
            (await http.post(self.log_url, json=[message])).raise_for_status()

    def app_environment(self) -> dict[str, str]:
        """The environment of the functions: what `infra` sets in production, with local addresses."""
        return (
            base_environment()
            | self.certificates.environment()
            | {
                "IDENTITY_ENDPOINT": self.identity_url,
                "IDENTITY_HEADER": self._identity_header,
                "InsightsStorage__blobServiceUri": self.azurite.blob_endpoint,
                "InsightsStorage__queueServiceUri": self.azurite.queue_endpoint,
                "InsightsStorage__credential": "managedidentity",
                "InsightsStorage__clientId": identity.CLIENT_ID,
                "VIDEO_INDEXER_RESOURCE_ID": self.emulator.resource_id,
                "VIDEO_INDEXER_ACCOUNT_ID": self.emulator.account_id,
                "VIDEO_INDEXER_LOCATION": self.emulator.location,
                "VIDEO_INDEXER_ENDPOINT": self.video_indexer_url,
                "AZURE_RESOURCE_MANAGER_ENDPOINT": self.video_indexer_url,
                "AZURE_RESOURCE_MANAGER_AUDIENCE": "https://management.azure.com",
                "CALLBACK_SIGNING_KEYS": self.signing_key,
                "FUNCTIONS_HOST_FUNCTION_KEY": self.function_key,
                "FUNCTIONS_HOST_MASTER_KEY": self.master_key,
            }
            | ({"EVENT_GRID_TOPIC_ENDPOINT": self.event_grid_topic_endpoint} if self.event_grid else {})
            | (dict(LOG_SETTINGS) if self.diagnostics else {})
            | (self._receiver.settings(self.directory) if self._receiver else {})
            | dict(self.settings)
        )

    def core_tools_settings(self) -> dict[str, Any]:
        """What `func start` needs in `local.settings.json` to run the app on this stack, still without a key.

        The host's own storage is the stack's too. It trusts the certificate by `SSL_CERT_FILE`, as .NET does
        on Linux; elsewhere the authority has to be trusted by the system.
        """
        base = base_environment()
        values = {
            name: value
            for name, value in self.app_environment().items()
            if name not in base and not name.startswith("FUNCTIONS_HOST_")
        }
        for part in ("blobServiceUri", "queueServiceUri", "credential", "clientId"):
            values[f"AzureWebJobsStorage__{part}"] = values[f"InsightsStorage__{part}"]
        values["FUNCTIONS_WORKER_RUNTIME"] = "python"
        return {"IsEncrypted": False, "Values": values}

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client that trusts the stack's certificate authority."""
        async with httpx.AsyncClient(verify=self.ssl_context(), timeout=30) as client:
            yield client

    def uploader(self, http: httpx.AsyncClient) -> Uploader:
        """An uploader to the account, with a client that trusts the stack."""
        account = self.emulator
        return Uploader(
            http, self.video_indexer_url, account.resource_id, account.location, account.account_id
        )

    def ssl_context(self) -> "ssl.SSLContext":
        """Trusts the stack's certificate authority and no other."""
        import ssl  # noqa: PLC0415

        return ssl.create_default_context(cafile=self.certificates.authority)


def base_environment() -> dict[str, str]:
    """The variables that every process of the stack starts from."""
    return inherited() | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}


def _temporary_directory() -> contextlib.AbstractContextManager[str]:
    parent = PROJECT / ".stack"
    parent.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=sys.platform == "win32")

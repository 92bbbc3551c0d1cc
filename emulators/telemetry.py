"""The process that receives the app's telemetry, and the settings that make the app send it there.

One of two: an OTLP receiver, as anywhere outside Azure, or a stand-in for Application Insights, to which
the Functions worker sends by itself. A process of its own, so that what it costs is not counted as Keywire's.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TextIO, get_args

from emulators import identity
from emulators.azure_process import end_with_parent
from emulators.framework.certificates import Certificates
from emulators.framework.processes import ChildProcess, python
from emulators.framework.servers import serve

type Kind = Literal["otlp", "application-insights"]

# What `infra` sets as well, besides the connection string and the identity.
AZURE_SETTINGS: Final[Mapping[str, str]] = {
    # The worker sets up the SDK and the exporter itself.
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
    # Our log lines and nobody else's.
    "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME": "keywire",
    # Without these the exporter keeps five traces a second.
    "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",
    "OTEL_TRACES_SAMPLER_ARG": "1.0",
    # A span for every request to storage, and a second one for every request to Video Indexer.
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": (
        "azure_sdk,django,fastapi,flask,httpx,httpx2,psycopg2,requests,urllib,urllib3"
    ),
    # An item with every batch of spans that says who sent it.
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
    # What the SDK tells and asks Microsoft about itself, at addresses outside a private network.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}
# The SDK's own are a minute for figures and seconds for the rest.
SOON: Final[Mapping[str, str]] = {
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_BLRP_SCHEDULE_DELAY": "200",
}


@dataclass(kw_only=True)
class TelemetryReceiver:
    """The process, from its start on; `url` is where it listens and has its controls under `/emulator`."""

    kind: Kind
    certificates: Certificates
    environment: Mapping[str, str]
    log: TextIO | None = None
    url: str = field(init=False)
    _process: ChildProcess = field(init=False)

    async def start(self) -> None:
        """Start it; ProcessFailedError where it isn't ready in time."""
        files = self.certificates
        self._process = ChildProcess(
            name="telemetry",
            command=python(
                *("-m", "emulators.telemetry", self.kind),
                *("--certificate", str(files.certificate), "--key", str(files.key)),
            ),
            environment=self.environment,
            log=self.log,
        )
        (line,) = await self._process.start(ready=['"ready"'])
        self.url = json.loads(line)["url"]

    async def stop(self) -> None:
        """End it."""
        await self._process.stop()

    def settings(self, directory: Path) -> dict[str, str]:
        """The app settings that make the app send to it; `directory` is for what could not be sent."""
        if self.kind == "otlp":
            return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **SOON}
        from emulators.app_insights import INSTRUMENTATION_KEY  # noqa: PLC0415 - the receiver's modules

        ends = f"IngestionEndpoint={self.url}/;LiveEndpoint={self.url}/"
        return {
            **AZURE_SETTINGS,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={INSTRUMENTATION_KEY};{ends}",
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": (f"Authorization=AAD;ClientId={identity.CLIENT_ID}"),
            **SOON,
            # The exporter's HTTP client knows no SSL_CERT_FILE.
            "REQUESTS_CA_BUNDLE": str(self.certificates.authority),
            "TMPDIR": str(directory),
        }


async def run(kind: Kind, certificate: Path, key: Path) -> None:
    """Serve until told to end."""
    ended = asyncio.Event()
    end_with_parent(ended)
    if kind == "otlp":
        from emulators import otlp  # noqa: PLC0415 - only one of the two is needed

        receiver = serve(otlp.create_app())
    else:
        from emulators import app_insights  # noqa: PLC0415

        app = app_insights.create_app(client_id=identity.CLIENT_ID)
        receiver = serve(app, certificate=certificate, key=key)
    async with receiver as url:
        print(json.dumps({"ready": True, "url": url}), flush=True)
        await ended.wait()


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=get_args(Kind.__value__))
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(run(arguments.kind, arguments.certificate, arguments.key))
    return 0


if __name__ == "__main__":
    sys.exit(main())

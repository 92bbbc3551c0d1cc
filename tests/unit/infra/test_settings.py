"""The app's settings in `infra/`: the names that Keywire reads, with values that it accepts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.framework.checkout import PROJECT
from keywire.settings import Settings
from tests.support.environment import RecordingEnvironment
from tests.support.infra_variants import app_settings, deployments
from tools.infra_check.deployment import Deployment

DEPLOYMENTS = deployments()
# Settings that Keywire reads and that are not set in Azure.
LEFT_OUT = {
    "InsightsStorage": "a connection string, for a local stack",
    "InsightsStorage__accountName": "the two service URIs are set",
    "AZURE_RESOURCE_MANAGER_AUDIENCE": "set only with a private link",
    "VIDEO_INDEXER_ENDPOINT": "set only in another cloud",
    "VIDEO_INDEXER_LOG_CONSUMER_GROUP": "the hub has one reader, and the Basic tier one group",
    "VideoIndexerLog": "a connection string, for a local stack",
    "WEBSITE_HOSTNAME": "set by the platform",
}
# Settings for the Functions host and the Python worker.
PLATFORM = re.compile(
    r"AzureWebJobsStorage__(blobServiceUri|queueServiceUri|tableServiceUri|credential|clientId)"
    r"|APPLICATIONINSIGHTS_(CONNECTION|AUTHENTICATION)_STRING"
    r"|APPLICATIONINSIGHTS_(OPENTELEMETRY_RESOURCE_METRIC|SDKSTATS|CONTROLPLANE)_DISABLED"
    r"|APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"
    r"|OTEL_(TRACES_SAMPLER(_ARG)?|PYTHON_DISABLED_INSTRUMENTATIONS)"
    r"|PYTHON_APPLICATIONINSIGHTS_(ENABLE_TELEMETRY|LOGGER_NAME)"
    r"|VideoIndexerLog__(credential|clientId)"
)
# Examples of values that only Azure knows.
AZURE = {
    "<account.properties.accountId>": "8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63",
    "<account.location>": "westeurope",
    "<topic.properties.endpoint>": "https://evgt.westeurope-1.eventgrid.azure.net/api/events",
    "<insightsStorage.properties.primaryEndpoints.blob>": "https://stinsights.blob.core.windows.net/",
    "<insightsStorage.properties.primaryEndpoints.queue>": "https://stinsights.queue.core.windows.net/",
    "<identity.properties.clientId>": "0b5c7a52-63d5-4f0c-9d8e-6f6b0f7f4a11",
}

every_variant = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())


def in_azure(deployment: Deployment) -> dict[str, str]:
    """Return the settings as the app reads them in Azure."""
    found = {}
    for name, value in app_settings(deployment).items():
        for unknown, known in AZURE.items():
            value = value.replace(unknown, known)  # noqa: PLW2901
        found[name] = value
    if "CALLBACK_SIGNING_KEYS" in found:
        found["CALLBACK_SIGNING_KEYS"] = "a" * 43 + "="
    return found


def read_by_handlers() -> Iterator[str]:
    """Yield the names that handlers read themselves: `os.environ.get("NAME")`."""
    for path in [PROJECT / "function_app.py", *Path(PROJECT / "handlers").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get":
                assert isinstance(node.args[0], ast.Constant)
                yield str(node.args[0].value)


def known_to_keywire() -> set[str]:
    environment = RecordingEnvironment(in_azure(DEPLOYMENTS["everything"]))
    Settings.from_environment(environment)
    return environment.asked | set(read_by_handlers())


def test_every_setting_that_keywire_reads_is_set_or_omitted_for_a_reason() -> None:
    assert known_to_keywire() == (app_settings(DEPLOYMENTS["everything"]).keys() & known_to_keywire()) | (
        LEFT_OUT.keys()
    )
    assert not LEFT_OUT.keys() & app_settings(DEPLOYMENTS["everything"]).keys()


@every_variant
def test_every_setting_is_one_that_keywire_or_the_platform_reads(deployment: Deployment) -> None:
    strange = app_settings(deployment).keys() - known_to_keywire()
    assert [name for name in strange if not PLATFORM.fullmatch(name)] == []


@every_variant
def test_keywire_accepts_the_settings(deployment: Deployment) -> None:
    settings = Settings.from_environment(in_azure(deployment))
    assert settings.identity.managed
    assert settings.storage.connection_string is None
    assert settings.video_indexer.resource_manager_endpoint == "https://management.azure.com"
    assert (settings.event_grid_endpoint is None) == (not deployment.of("Microsoft.EventGrid/topics"))
    assert (settings.log_event_hub is None) == (not deployment.of("Microsoft.EventHub/namespaces"))


def test_options_reach_keywire() -> None:
    settings = Settings.from_environment(in_azure(DEPLOYMENTS["everything"]))
    assert settings.erase_removed
    assert settings.video_indexer.restricted_token
    assert settings.callback.signing_keys
    defaults = Settings.from_environment(in_azure(DEPLOYMENTS["defaults"]))
    assert not defaults.erase_removed
    assert not defaults.video_indexer.restricted_token
    assert defaults.callback.signing_keys == ()


def test_the_reference_to_the_secret_has_the_form_that_the_platform_resolves() -> None:
    reference = app_settings(DEPLOYMENTS["everything"])["CALLBACK_SIGNING_KEYS"]
    assert reference == (
        "@Microsoft.KeyVault(SecretUri=<vault.properties.vaultUri>secrets/callback-signing-keys/)"
    )


def test_the_event_hub_of_the_indexing_log_has_one_name_everywhere() -> None:
    deployment = DEPLOYMENTS["everything"]
    (hub,) = deployment.of("Microsoft.EventHub/namespaces/eventhubs")
    settings = app_settings(deployment)
    assert settings["VIDEO_INDEXER_LOG_EVENT_HUB"] == hub.name
    assert settings["VideoIndexerLog__fullyQualifiedNamespace"] == f"{hub.names[0]}.servicebus.windows.net"
    (setting,) = deployment.of("Microsoft.Insights/diagnosticSettings")
    assert setting.properties["eventHubName"] == hub.name
    (rule,) = deployment.of("Microsoft.EventHub/namespaces/authorizationRules")
    assert setting.properties["eventHubAuthorizationRuleId"] == rule.id

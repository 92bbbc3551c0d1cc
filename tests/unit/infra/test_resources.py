"""Types, versions, properties and names: mistakes that the Bicep compiler or Azure refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from keywire.storage import layout
from tests.support.infra_variants import app_settings, deployments, leaves
from tools.infra_check import functions, known_at_start, syntax
from tools.infra_check.deployment import Deployment

DEPLOYMENTS = deployments()
# Each type with its version and the properties that the templates set, looked up in Azure/bicep-types-az. A name
# that is missing here is a typing error, or must be looked up and added.
TYPES: dict[str, Any] = json.loads((Path(__file__).parent / "types.json").read_text())
LIMITS = {
    "Microsoft.Authorization/roleAssignments": r"[0-9a-f-]{36}",
    "Microsoft.Authorization/roleDefinitions": r"[0-9a-f-]{36}",
    "Microsoft.EventGrid/topics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.EventGrid/topics/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.EventHub/namespaces": r"[A-Za-z][A-Za-z0-9-]{6,48}[A-Za-z0-9]",
    "Microsoft.EventHub/namespaces/authorizationRules": r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}",
    "Microsoft.EventHub/namespaces/eventhubs": r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}",
    "Microsoft.EventHub/namespaces/networkRuleSets": r"default",
    "Microsoft.Insights/actionGroups": r"[^:@#<>%&/?;{}\\]{1,260}",
    "Microsoft.Insights/components": r"[A-Za-z0-9().-]{1,260}",
    "Microsoft.Insights/diagnosticSettings": r"[^*<>%:&?+\\/]{1,260}",
    "Microsoft.Insights/metricAlerts": r"[^:@#<>%&/?;{}*+\\]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[^#<>%&:?/{}*]{1,260}",
    "Microsoft.Insights/workbooks": r"[0-9a-f-]{36}",
    "Microsoft.KeyVault/vaults": r"(?=.{3,24}$)[A-Za-z]([A-Za-z0-9]|-(?!-))*[A-Za-z0-9]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.Network/networkSecurityGroups": r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]",
    "Microsoft.Network/privateDnsZones": r"privatelink(\.[a-z0-9-]+){2,}",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": r"[A-Za-z0-9-]{1,80}",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/resourceGroups": r"[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices": r"default",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]",
    "Microsoft.Storage/storageAccounts/managementPolicies": r"default",
    "Microsoft.Storage/storageAccounts/queueServices": r"default",
    "Microsoft.Storage/storageAccounts/queueServices/queues": r"[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]",
    "Microsoft.VideoIndexer/accounts": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites/config": r"appsettings",
    # The host's id is the first 32 characters of the name.
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]",
}
# Site properties that Flex Consumption ignores or, in some regions, refuses (code 51021).
REFUSED_CONFIG = {
    *("alwaysOn", "ftpsState", "functionAppScaleLimit", "functionsRuntimeScaleMonitoringEnabled"),
    *("javaContainer", "javaContainerVersion", "javaVersion", "linuxFxVersion", "netFrameworkVersion"),
    *("nodeVersion", "phpVersion", "powerShellVersion", "preWarmedInstanceCount", "pythonVersion"),
    *("use32BitWorkerProcess", "windowsFxVersion", "healthCheckPath"),
}
REFUSED_SETTINGS = {
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "WEBSITE_RUN_FROM_PACKAGE"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT"),
    *("WEBSITE_TIME_ZONE", "TZ", "WEBSITE_MOUNT_ENABLED", "WEBSITE_USE_PLACEHOLDER_DOTNETISOLATED"),
    # Without the other settings of OpenTelemetry it makes every invocation fail.
    "PYTHON_ENABLE_OPENTELEMETRY",
}

every_variant = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())


@pytest.mark.parametrize("path", syntax.files(), ids=lambda path: path.name)
def test_every_file_is_bicep(path: Path) -> None:
    assert syntax.problems(path) == []
    syntax.read(path)


@pytest.mark.parametrize("path", syntax.files(), ids=lambda path: path.name)
def test_no_value_is_needed_before_azure_knows_it(path: Path) -> None:
    assert known_at_start.problems(path) == []


def test_every_file_is_part_of_the_deployment() -> None:
    used = {
        (path.parent / module.label).resolve()
        for path in syntax.files()
        for module in syntax.read(path).modules.values()
    }
    assert used | {syntax.INFRA / "main.bicep"} == set(syntax.files())


def test_every_parameter_and_variable_is_used() -> None:
    for path in syntax.files():
        file = syntax.read(path)
        source = "\n".join(re.sub(r"(^|\s)//.*", "", line) for line in path.read_text().splitlines())
        for name in {*file.parameters, *file.variables}:
            assert len(re.findall(rf"\b{name}\b", source)) > 1, f"{path.name}: {name}"


def test_types_versions_and_properties_are_exactly_the_pinned_ones() -> None:
    used: dict[str, set[str]] = {}
    for deployment in DEPLOYMENTS.values():
        for each in deployment.resources:
            assert each.api_version == TYPES[each.resource_type]["apiVersion"], each.resource_type
            found = {path for path, _ in leaves(dict(each.body)) if not path.startswith("tags")}
            # Keys that the templates choose: the ids of identities, the app's settings.
            ours = r"(?<=userAssignedIdentities)\..*" + (
                "|(?<=properties).*" if each.name == "appsettings" else ""
            )
            found = {re.sub(rf"\[\]$|{ours}", "", path) for path in found}
            used.setdefault(each.resource_type, set()).update(found)
    assert {name: sorted(paths) for name, paths in used.items()} == {
        name: entry["properties"] for name, entry in TYPES.items()
    }
    for path in syntax.files():
        for resource in syntax.read(path).resources.values():
            resource_type, _, version = resource.label.partition("@")
            assert version == TYPES[resource_type]["apiVersion"], f"{path.name}: {resource.name}"


@every_variant
def test_names_are_within_the_limits_of_azure_for_the_longest_environment_name(
    deployment: Deployment,
) -> None:
    for each in deployment.resources:
        assert re.fullmatch(LIMITS[each.resource_type], each.name), f"{each.resource_type} {each.name}"
    ids = [each.id.lower() for each in deployment.resources]
    assert len(ids) == len(set(ids))


def test_a_unique_string_has_the_length_of_one_of_azure() -> None:
    assert len(functions.call("uniqueString", ["a", "b"], {})) == 13


@every_variant
def test_short_texts_are_within_their_limits(deployment: Deployment) -> None:
    for group in deployment.of("Microsoft.Insights/actionGroups"):
        assert len(group.properties["groupShortName"]) <= 12
    for role in deployment.of("Microsoft.Authorization/roleDefinitions"):
        assert len(role.properties["roleName"]) <= 128


@every_variant
def test_the_app_runs_python_3_13_on_a_flex_consumption_plan_of_its_own(deployment: Deployment) -> None:
    (plan,) = deployment.of("Microsoft.Web/serverfarms")
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.properties["reserved"] is True
    (app,) = deployment.of("Microsoft.Web/sites")
    assert app.properties["serverFarmId"] == plan.id
    config = app.properties["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert 40 <= config["scaleAndConcurrency"]["maximumInstanceCount"] <= 1000
    assert config["scaleAndConcurrency"]["instanceMemoryMB"] in {512, 2048, 4096}
    assert app.body["identity"]["type"] == "UserAssigned"


@every_variant
def test_no_setting_is_one_that_flex_consumption_refuses(deployment: Deployment) -> None:
    (app,) = deployment.of("Microsoft.Web/sites")
    assert not REFUSED_CONFIG & app.properties["siteConfig"].keys()
    assert not REFUSED_SETTINGS & app_settings(deployment).keys()


@every_variant
def test_containers_and_queues_are_exactly_those_that_keywire_uses(deployment: Deployment) -> None:
    def on_insights_storage(resource_type: str) -> set[str]:
        kind = f"Microsoft.Storage/storageAccounts/{resource_type}"
        return {each.name for each in deployment.of(kind) if each.names[0].startswith("stinsights")}

    example = bool(deployment.of("Microsoft.EventGrid/topics/eventSubscriptions"))
    assert on_insights_storage("blobServices/containers") == {
        layout.KEYWORDS_CONTAINER,
        layout.HISTORY_CONTAINER,
        layout.CONFIG_CONTAINER,
        layout.CONTROL_CONTAINER,
        *(["event-grid-dead-letters"] if example else []),
    }
    assert on_insights_storage("queueServices/queues") == {
        *layout.ALL_QUEUES,
        *(["interest-events"] if example else []),
    }


def test_every_resource_that_can_have_tags_has_those_of_the_environment() -> None:
    # Parts of another resource and role assignments have no tags.
    untagged = re.compile(r"Authorization|diagnosticSettings|/.*/(?!virtualNetworkLinks)")
    for each in DEPLOYMENTS["everything"].resources:
        assert ("tags" in each.body) != bool(untagged.search(each.resource_type)), each.resource_type


def test_in_the_group_of_an_existing_account_only_three_types_of_resources_are_created() -> None:
    elsewhere = [
        each.resource_type
        for each in DEPLOYMENTS["everything, and an existing account"].resources
        if "/resourceGroups/media" in each.home
    ]
    assert sorted(elsewhere) == [
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Authorization/roleDefinitions",
        "Microsoft.Insights/diagnosticSettings",
    ]

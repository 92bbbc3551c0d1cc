"""What `infra/` promises about access: no keys, narrow roles, restricted networks."""

import re
from collections.abc import Iterator

import pytest

from tests.support.infra_variants import VARIANTS, app_settings, deployments, leaves
from tools.infra_check import syntax
from tools.infra_check.deployment import Deployment, Resource

DEPLOYMENTS = deployments()
ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
    "EventGrid Data Sender": "d5a91429-5739-47e2-a06b-3470a27159e7",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Azure Event Hubs Data Receiver": "a638d3c7-ab3a-418d-83e6-5f17a39d4fde",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
}
# (principal, role, scope): every role assignment of a deployment with all options.
KEYWIRE = "identity.properties.principalId"
OPERATOR = "44444444-4444-4444-4444-444444444444"
GRANTED = {
    (KEYWIRE, "Storage Blob Data Owner", "storageAccounts/sthost"),
    (KEYWIRE, "Storage Table Data Contributor", "storageAccounts/sthost"),
    (KEYWIRE, "Storage Blob Data Contributor", "containers/keywords"),
    (KEYWIRE, "Storage Blob Data Contributor", "containers/keywords-history"),
    (KEYWIRE, "Storage Blob Data Contributor", "containers/control"),
    (KEYWIRE, "Storage Blob Data Reader", "containers/config"),
    *(
        (KEYWIRE, "Storage Queue Data Contributor", f"queues/{queue}{poison}")
        for queue in ("extraction", "backfill", "backfill-pages", "rematch", "deliver-event-grid")
        for poison in ("", "-poison")
    ),
    (KEYWIRE, "Storage Queue Data Contributor", "queues/diagnostics-poison"),
    (KEYWIRE, "Storage Queue Data Message Sender", "queues/personalization-events"),
    (KEYWIRE, "Storage Queue Data Reader", "queues/personalization-events"),
    (KEYWIRE, "EventGrid Data Sender", "topics/evgt-keywire-"),
    (KEYWIRE, "Monitoring Metrics Publisher", "components/appi-keywire-"),
    (KEYWIRE, "Key Vault Secrets User", "vaults/kv-keywire-"),
    (KEYWIRE, "Azure Event Hubs Data Receiver", "eventhubs/video-indexer-log"),
    (KEYWIRE, "the custom role", "accounts/vi-keywire-"),
    ("topic.identity.principalId", "Storage Queue Data Message Sender", "queues/interest-events"),
    ("topic.identity.principalId", "Storage Blob Data Contributor", "containers/event-grid-dead-letters"),
    ("newAccount.identity.principalId", "Storage Blob Data Contributor", "storageAccounts/stmedia"),
    (OPERATOR, "Key Vault Secrets Officer", "vaults/kv-keywire-"),
    (OPERATOR, "Storage Blob Data Contributor", "containers/config"),
    *(
        (OPERATOR, "Storage Queue Data Reader", f"queues/{queue}-poison")
        for queue in (
            *("extraction", "backfill", "backfill-pages", "rematch"),
            "deliver-event-grid",
            "diagnostics",
        )
    ),
}

every_variant = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())


def assignments(deployment: Deployment) -> list[Resource]:
    return deployment.of("Microsoft.Authorization/roleAssignments")


def code() -> Iterator[tuple[str, int, str]]:
    """Yield every line of the templates without its comment: file, number, text."""
    for path in syntax.files():
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            yield path.name, number, re.sub(r"(^|\s)//.*", "", line)


@every_variant
def test_storage_refuses_shared_keys_anonymous_access_and_tls_below_1_2(deployment: Deployment) -> None:
    accounts = deployment.of("Microsoft.Storage/storageAccounts")
    assert len(accounts) >= 2
    for account in accounts:
        assert account.properties["allowSharedKeyAccess"] is False
        assert account.properties["allowBlobPublicAccess"] is False
        assert account.properties["allowCrossTenantReplication"] is False
        assert account.properties["minimumTlsVersion"] == "TLS1_2"
        assert account.properties["supportsHttpsTrafficOnly"] is True
    containers = deployment.of("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert {container.properties["publicAccess"] for container in containers} == {"None"}


@every_variant
def test_the_host_has_a_storage_account_of_its_own(deployment: Deployment) -> None:
    containers = deployment.of("Microsoft.Storage/storageAccounts/blobServices/containers")
    (host,) = {container.names[0] for container in containers if container.name == "deployment"}
    assert {container.name for container in containers if container.names[0] == host} == {"deployment"}
    queues = deployment.of("Microsoft.Storage/storageAccounts/queueServices/queues")
    assert not [queue for queue in queues if queue.names[0] == host]
    (app,) = deployment.of("Microsoft.Web/sites")
    storage = app.properties["functionAppConfig"]["deployment"]["storage"]
    assert storage["value"] == "<hostStorage.properties.primaryEndpoints.blob>deployment"
    assert storage["authentication"]["type"] == "UserAssignedIdentity"


@every_variant
def test_local_authentication_is_off_except_for_the_indexing_log(deployment: Deployment) -> None:
    for topic in deployment.of("Microsoft.EventGrid/topics"):
        assert topic.properties["disableLocalAuth"] is True
        assert topic.properties["minimumTlsVersionAllowed"] == "1.2"
        assert topic.properties["inputSchema"] == "CloudEventSchemaV1_0"
        assert topic.body["identity"] == {"type": "SystemAssigned"}
    (component,) = deployment.of("Microsoft.Insights/components")
    assert component.properties["DisableLocalAuth"] is True
    (workspace,) = deployment.of("Microsoft.OperationalInsights/workspaces")
    assert workspace.properties["features"]["disableLocalAuth"] is True
    (vault,) = deployment.of("Microsoft.KeyVault/vaults")
    assert vault.properties["enableRbacAuthorization"] is True
    for namespace in deployment.of("Microsoft.EventHub/namespaces"):
        assert namespace.declaration.path.name == "indexing-log.bicep"
        assert namespace.properties["minimumTlsVersion"] == "1.2"


def test_the_only_shared_access_rule_is_for_the_indexing_log() -> None:
    rules = "Microsoft.EventHub/namespaces/authorizationRules"
    for name, deployment in DEPLOYMENTS.items():
        made = deployment.of(rules)
        assert {rule.declaration.path.name for rule in made} <= {"indexing-log.bicep"}
        assert len(made) == int(VARIANTS[name].get("indexingLog", False))
        assert len(deployment.of("Microsoft.EventHub/namespaces/eventhubs")) == len(made)


@every_variant
def test_no_secret_is_created_a_parameter_or_an_output(deployment: Deployment) -> None:
    assert not [each for each in deployment.resources if "secrets" in each.resource_type]
    for path in syntax.files():
        file = syntax.read(path)
        assert not [name for name, each in file.parameters.items() if "secure" in each.decorators]
        for output in file.outputs.values():
            assert output.value is not None
            source = syntax.text_of(output.value)
            assert not re.search(
                r"\blist\w*\(|ConnectionString|[kK]ey\d?\b(?!s list)|[sS]ecret|SAS", source
            ), source
    for name, value in leaves(dict(deployment.outputs)):
        assert not re.search(r"(?i)password|AccountKey=|sig=|<.*(key|secret|connection).*>", value), name


def test_no_template_reads_a_key_or_a_connection_string() -> None:
    forbidden = re.compile(
        r"\blist(Keys|Secrets|AccountSas|ServiceSas|\w*)\(|ConnectionString|CONNECTION_STRING|SharedAccess|AccountKey|primaryKey"
    )
    found = {(name, line.strip()) for name, _, line in code() if forbidden.search(line)}
    # Application Insights accepts nothing by its connection string: local authentication is off.
    assert found == {
        (
            "function-app.bicep",
            "APPLICATIONINSIGHTS_CONNECTION_STRING: appInsights.properties.ConnectionString",
        )
    }


@every_variant
def test_the_app_has_no_secret_and_uses_its_identity_everywhere(deployment: Deployment) -> None:
    settings = app_settings(deployment)
    for name, value in settings.items():
        assert not re.search(r"(?i)AccountKey=|SharedAccessKey|sig=|[?&]code=", value), name
        if name.endswith("__credential"):
            assert value == "managedidentity"
    assert "AzureWebJobsStorage" not in settings
    assert "InsightsStorage" not in settings
    assert settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].endswith(";Authorization=AAD")
    reference = settings.get("CALLBACK_SIGNING_KEYS", "@Microsoft.KeyVault(SecretUri=")
    assert reference.startswith("@Microsoft.KeyVault(SecretUri=")
    (app,) = deployment.of("Microsoft.Web/sites")
    assert app.properties["httpsOnly"] is True
    assert app.properties["siteConfig"]["minTlsVersion"] == "1.2"
    assert app.properties["keyVaultReferenceIdentity"] in app.body["identity"]["userAssignedIdentities"]


def test_with_all_options_the_roles_are_exactly_the_listed_ones() -> None:
    deployment = DEPLOYMENTS["everything"]
    (custom,) = deployment.of("Microsoft.Authorization/roleDefinitions")
    names = {guid: name for name, guid in ROLES.items()} | {custom.name: "the custom role"}
    token = deployment.outputs["KEYWIRE_APP_NAME"].removeprefix("func-keywire-")
    granted = {
        (
            each.properties["principalId"].strip("<>"),
            names[each.properties["roleDefinitionId"].rpartition("/")[2]],
            "/".join(each.home.split("/")[-2:]).removesuffix(token),
        )
        for each in assignments(deployment)
    }
    assert granted == GRANTED


@every_variant
def test_no_role_is_on_a_group_or_subscription_and_each_has_its_principal_type(
    deployment: Deployment,
) -> None:
    assert assignments(deployment)
    for each in assignments(deployment):
        assert re.fullmatch(
            r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+(/[^/]+/[^/]+)+", each.home
        )
        kind = each.properties["principalType"]
        assert kind == ("User" if each.properties["principalId"] == OPERATOR else "ServicePrincipal")
    names = [each.id for each in assignments(deployment)]
    assert len(names) == len(set(names))


def test_no_role_is_on_the_whole_insights_storage_account() -> None:
    for deployment in DEPLOYMENTS.values():
        scopes = [each.home for each in assignments(deployment)]
        assert not [scope for scope in scopes if re.search(r"storageAccounts/stinsights[^/]*$", scope)]


def test_every_role_id_in_the_templates_is_the_documented_one() -> None:
    guid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    written = {found for _, _, line in code() for found in guid.findall(line)}
    assert written == set(ROLES.values())
    for _, _, line in code():
        named = re.search(r"'([A-Z][A-Za-z ]+)': '([0-9a-f-]{36})'", line)
        assert named is None or ROLES[named[1]] == named[2]


def test_the_custom_role_has_one_action_in_the_group_of_the_account() -> None:
    for name, tokens in (("everything", "generateRestrictedViewerAccessToken"),):
        (role,) = DEPLOYMENTS[name].of("Microsoft.Authorization/roleDefinitions")
        assert role.properties["permissions"] == [
            {"actions": [f"Microsoft.VideoIndexer/accounts/{tokens}/action"], "notActions": []}
        ]
        assert role.properties["assignableScopes"] == [role.home]


def test_an_existing_account_gets_a_role_in_its_own_group_or_none() -> None:
    scope = VARIANTS["an existing account"]["videoIndexerResourceId"]
    (role,) = [each for each in assignments(DEPLOYMENTS["an existing account"]) if each.home == scope]
    assert role.properties["roleDefinitionId"].endswith(ROLES["Contributor"])
    assert not [each for each in assignments(DEPLOYMENTS["nothing optional"]) if each.home == scope]
    assert not DEPLOYMENTS["an existing account"].of("Microsoft.VideoIndexer/accounts")
    storage = DEPLOYMENTS["an existing account"].of("Microsoft.Storage/storageAccounts")
    assert not [each for each in storage if each.name.startswith("stmedia")]


def test_with_network_isolation_storage_vault_and_topic_have_private_endpoints_only() -> None:
    deployment = DEPLOYMENTS["everything"]
    accounts = {
        re.sub(r"[a-z2-7]{13}$", "", each.name): each
        for each in deployment.of("Microsoft.Storage/storageAccounts")
    }
    assert accounts["sthost"].properties["publicNetworkAccess"] == "Disabled"
    # Event Grid delivers as a trusted service, which needs `Enabled` and a default of `Deny`.
    insights = accounts["stinsights"].properties
    assert insights["publicNetworkAccess"] == "Enabled"
    assert insights["networkAcls"]["defaultAction"] == "Deny"
    assert insights["networkAcls"]["bypass"] == "AzureServices"
    assert [rule["value"] for rule in insights["networkAcls"]["ipRules"]] == [
        "203.0.113.7",
        "198.51.100.0/24",
    ]
    (vault,) = deployment.of("Microsoft.KeyVault/vaults")
    assert vault.properties["networkAcls"]["defaultAction"] == "Deny"
    (topic,) = deployment.of("Microsoft.EventGrid/topics")
    assert topic.properties["publicNetworkAccess"] == "Disabled"
    (rules,) = deployment.of("Microsoft.EventHub/namespaces/networkRuleSets")
    assert rules.properties["defaultAction"] == "Deny"

    endpoints = deployment.of("Microsoft.Network/privateEndpoints")
    reached = {
        (connection["properties"]["privateLinkServiceId"], group)
        for each in endpoints
        for connection in each.properties["privateLinkServiceConnections"]
        for group in connection["properties"]["groupIds"]
    }
    assert reached == {
        *((accounts["sthost"].id, group) for group in ("blob", "queue", "table")),
        *((accounts["stinsights"].id, group) for group in ("blob", "queue")),
        (vault.id, "vault"),
        (topic.id, "topic"),
        (deployment.of("Microsoft.EventHub/namespaces")[0].id, "namespace"),
    }
    zones = {each.id for each in deployment.of("Microsoft.Network/privateDnsZones")}
    groups = deployment.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    assert len(groups) == len(endpoints)
    assert {
        config["properties"]["privateDnsZoneId"]
        for each in groups
        for config in each.properties["privateDnsZoneConfigs"]
    } == zones
    links = deployment.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert {link.id.partition("/virtualNetworkLinks")[0] for link in links} == zones


def test_with_network_isolation_the_app_uses_the_delegated_subnet() -> None:
    deployment = DEPLOYMENTS["everything"]
    (app,) = deployment.of("Microsoft.Web/sites")
    (network,) = deployment.of("Microsoft.Network/virtualNetworks")
    subnets = {each["name"]: each["properties"] for each in network.properties["subnets"]}
    assert app.properties["virtualNetworkSubnetId"] == f"{network.id}/subnets/app"
    (delegation,) = subnets["app"]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    assert all("networkSecurityGroup" in subnet for subnet in subnets.values())


def test_with_restricted_callers_only_video_indexer_and_operators_reach_the_app() -> None:
    (app,) = DEPLOYMENTS["everything"].of("Microsoft.Web/sites")
    config = app.properties["siteConfig"]
    assert config["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert {rule["ipAddress"] for rule in config["ipSecurityRestrictions"]} == {
        "VideoIndexer",
        "203.0.113.7/32",
        "198.51.100.0/24",
    }
    # A pipeline deploys through this endpoint.
    assert config["scmIpSecurityRestrictionsDefaultAction"] == "Allow"
    assert config["scmIpSecurityRestrictionsUseMain"] is False


def test_the_example_subscription_delivers_by_identity_and_has_dead_letters() -> None:
    deployment = DEPLOYMENTS["everything"]
    (subscription,) = deployment.of("Microsoft.EventGrid/topics/eventSubscriptions")
    properties = subscription.properties
    assert "destination" not in properties
    assert "deadLetterDestination" not in properties
    delivery = properties["deliveryWithResourceIdentity"]
    dead_letters = properties["deadLetterWithResourceIdentity"]
    assert delivery["identity"] == dead_letters["identity"] == {"type": "SystemAssigned"}
    queue = delivery["destination"]["properties"]["queueName"]
    container = dead_letters["deadLetterDestination"]["properties"]["blobContainerName"]
    names = {each.name for each in deployment.resources}
    assert {queue, container} <= names
    assert not DEPLOYMENTS["defaults"].of("Microsoft.EventGrid/topics/eventSubscriptions")


def test_options_that_cost_or_open_something_are_off_by_default() -> None:
    deployment = DEPLOYMENTS["defaults"]
    for resource_type in (
        "Microsoft.EventHub/namespaces",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Storage/storageAccounts/managementPolicies",
        "Microsoft.Authorization/roleDefinitions",
    ):
        assert not deployment.of(resource_type)
    (policy,) = DEPLOYMENTS["everything"].of("Microsoft.Storage/storageAccounts/managementPolicies")
    (rule,) = policy.properties["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == ["keywords-history/"]

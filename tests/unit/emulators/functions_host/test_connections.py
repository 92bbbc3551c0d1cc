"""How the app settings of a connection are found."""

import pytest

from emulators.functions_host.connections import QueueConnection, check_event_hub, resolve
from emulators.functions_host.errors import MissingSettingError

URL = "https://insights.queue.core.windows.net"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"Insights": "UseThis=1"}, QueueConnection("Insights", connection_string="UseThis=1")),
        ({"AzureWebJobsInsights": "UseThis=1"}, QueueConnection("Insights", connection_string="UseThis=1")),
        ({"Insights__queueServiceUri": URL}, QueueConnection("Insights", service_url=URL)),
        ({"Insights__serviceUri": URL}, QueueConnection("Insights", service_url=URL)),
        ({"Insights__accountName": "insights"}, QueueConnection("Insights", service_url=URL)),
        (
            {
                "Insights__queueServiceUri": URL,
                "Insights__credential": "ManagedIdentity",
                "Insights__clientId": "an-id",
            },
            QueueConnection("Insights", service_url=URL, managed_identity=True, client_id="an-id"),
        ),
    ],
)
def test_a_connection_is_a_string_or_an_identity(settings: dict[str, str], expected: QueueConnection) -> None:
    assert resolve("Insights", settings) == expected


def test_a_connection_with_nothing_set_says_what_to_set() -> None:
    with pytest.raises(MissingSettingError, match=r"Insights__queueServiceUri.*Insights__accountName"):
        resolve("Insights", {"Insights__blobServiceUri": URL})


def test_a_credential_that_this_host_lacks_is_refused() -> None:
    with pytest.raises(MissingSettingError, match="Insights__credential"):
        resolve("Insights", {"Insights__queueServiceUri": URL, "Insights__credential": "workloadidentity"})


def test_an_event_hub_needs_a_namespace_or_a_connection_string() -> None:
    check_event_hub("Log", {"Log__fullyQualifiedNamespace": "newsroom.servicebus.windows.net"})
    check_event_hub("Log", {"AzureWebJobsLog": "UseThis=1"})
    with pytest.raises(MissingSettingError, match="Log__fullyQualifiedNamespace"):
        check_event_hub("Log", {"Log__credential": "managedidentity"})


def test_the_key_in_a_connection_string_is_never_shown() -> None:
    assert "secret" not in repr(resolve("Insights", {"Insights": "AccountKey=secret"}))

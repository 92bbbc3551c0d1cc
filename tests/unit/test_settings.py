"""The settings and what is said when they are wrong."""

import pytest

from keywire.settings import InvalidSettingsError, Settings

COMPLETE = {
    "InsightsStorage__blobServiceUri": "https://insights.blob.core.windows.net",
    "InsightsStorage__queueServiceUri": "https://insights.queue.core.windows.net/",
    "InsightsStorage__credential": "managedidentity",
    "InsightsStorage__clientId": "0b5c7a52-63d5-4f0c-9d8e-6f6b0f7f4a11",
    "VIDEO_INDEXER_RESOURCE_ID": (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"
    ),
    "VIDEO_INDEXER_ACCOUNT_ID": "8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63",
    "VIDEO_INDEXER_LOCATION": "westeurope",
}


def test_a_deployment_needs_no_more_than_addresses_and_an_identity() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.storage.queue_service_uri == "https://insights.queue.core.windows.net"
    assert settings.storage.connection_string is None
    assert settings.identity.managed
    assert settings.video_indexer.endpoint == "https://api.videoindexer.ai"
    assert settings.video_indexer.resource_manager_endpoint == "https://management.azure.com"
    assert settings.video_indexer.resource_manager_audience == "https://management.azure.com"
    assert settings.video_indexer.language is None


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        Settings.from_environment({})
    for name in COMPLETE.keys() - {"InsightsStorage__credential", "InsightsStorage__clientId"}:
        assert f"{name} is missing" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIDEO_INDEXER_ACCOUNT_ID", "newsroom"),
        ("VIDEO_INDEXER_LOCATION", "West Europe"),
        ("VIDEO_INDEXER_RESOURCE_ID", "newsroom"),
        ("VIDEO_INDEXER_ENDPOINT", "http://api.videoindexer.ai"),
        ("VIDEO_INDEXER_LANGUAGE", "English (US)"),
        ("InsightsStorage", "insights"),
        ("InsightsStorage__accountName", "a/../b"),
        ("InsightsStorage__blobServiceUri", "insights"),
        ("InsightsStorage__credential", "workloadidentity"),
    ],
)
def test_a_malformed_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        Settings.from_environment(COMPLETE | {name: value})
    assert f"{name} is not" in str(raised.value)
    assert f" {value}" not in str(raised.value)


def test_the_credential_may_be_spelled_as_the_host_takes_it() -> None:
    settings = Settings.from_environment(COMPLETE | {"InsightsStorage__credential": "ManagedIdentity"})
    assert settings.identity.managed


def test_the_case_of_the_account_id_makes_no_second_archive() -> None:
    account_id = COMPLETE["VIDEO_INDEXER_ACCOUNT_ID"]
    settings = Settings.from_environment(COMPLETE | {"VIDEO_INDEXER_ACCOUNT_ID": account_id.upper()})
    assert settings.video_indexer.account_id == account_id


def test_a_connection_string_takes_the_place_of_the_addresses() -> None:
    environment = {name: value for name, value in COMPLETE.items() if "__" not in name}
    settings = Settings.from_environment(environment | {"InsightsStorage": "UseDevelopmentStorage=true"})
    assert settings.storage.connection_string == "UseDevelopmentStorage=true"
    assert settings.storage.blob_service_uri is None


def test_an_account_name_stands_for_the_public_clouds_addresses() -> None:
    environment = {name: value for name, value in COMPLETE.items() if not name.endswith("ServiceUri")}
    settings = Settings.from_environment(environment | {"InsightsStorage__accountName": "insights"})
    assert settings.storage.blob_service_uri == "https://insights.blob.core.windows.net"
    assert settings.storage.queue_service_uri == "https://insights.queue.core.windows.net"

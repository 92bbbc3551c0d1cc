"""Settings: what is read, and the error about missing and malformed ones."""

import base64

import pytest

from keywire.settings import InvalidSettingsError, Settings
from tests.support.environment import COMPLETE

KEY = base64.b64encode(b"k" * 32).decode()


def test_endpoints_an_identity_and_the_account_are_enough() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.storage.queue_service_uri == "https://insights.queue.core.windows.net"
    assert settings.storage.connection_string is None
    assert settings.identity.managed
    assert settings.video_indexer.endpoint == "https://api.videoindexer.ai"
    assert settings.video_indexer.resource_manager_endpoint == "https://management.azure.com"
    assert settings.video_indexer.resource_manager_audience == "https://management.azure.com"
    assert settings.video_indexer.language is None
    assert settings.callback.signing_keys == ()
    assert settings.callback.base_url is None


def test_all_missing_settings_are_named_in_one_error() -> None:
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
        (
            "VIDEO_INDEXER_RESOURCE_ID",
            "/subscriptions/s/resourceGroups/../providers/Microsoft.VideoIndexer/accounts/a",
        ),
        ("VIDEO_INDEXER_ENDPOINT", "http://api.videoindexer.ai"),
        ("VIDEO_INDEXER_LANGUAGE", "English (US)"),
        ("InsightsStorage", "insights"),
        ("InsightsStorage__accountName", "a/../b"),
        ("InsightsStorage__blobServiceUri", "insights"),
        ("InsightsStorage__credential", "workloadidentity"),
        ("VIDEO_INDEXER_QUOTA_SHARE", "0.00"),
        ("VIDEO_INDEXER_QUOTA_SHARE", "1.5"),
        ("VIDEO_INDEXER_BACKFILL_SHARE", "0.0"),
        ("VIDEO_INDEXER_BACKFILL_SHARE", "2"),
        ("VIDEO_INDEXER_BACKFILL_SHARE", "off"),
        ("VIDEO_INDEXER_BACKFILL_SHARE", "-0.5"),
        ("CALLBACK_BASE_URL", "http://keywire.example"),
        ("CALLBACK_BASE_URL", "https://keywire.example?code=x"),
        ("CALLBACK_SIGNING_KEYS", "no/base64-"),
        ("CALLBACK_SIGNING_KEYS", "c2hvcnQ="),
        ("CALLBACK_SIGNING_KEYS", f"{KEY},c2hvcnQ="),
        ("CALLBACK_SIGNING_KEYS", ",".join([KEY] * 3)),
    ],
)
def test_a_malformed_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        Settings.from_environment(COMPLETE | {name: value})
    assert f"{name} is not" in str(raised.value)
    for part in value.split(","):
        assert f" {part}" not in str(raised.value)


def test_the_default_share_is_the_whole_quota_and_half_of_it_for_backfill() -> None:
    account = Settings.from_environment(COMPLETE).video_indexer
    assert (account.quota_share, account.backfill_share) == (1.0, 0.5)
    shares = {"VIDEO_INDEXER_QUOTA_SHARE": ".25", "VIDEO_INDEXER_BACKFILL_SHARE": "1"}
    account = Settings.from_environment(COMPLETE | shares).video_indexer
    assert (account.quota_share, account.backfill_share) == (0.25, 1.0)
    off = {"VIDEO_INDEXER_QUOTA_SHARE": "off", "VIDEO_INDEXER_BACKFILL_SHARE": "0.05"}
    account = Settings.from_environment(COMPLETE | off).video_indexer
    assert (account.quota_share, account.backfill_share) == (None, 0.05)


def test_the_credential_is_read_in_any_case() -> None:
    settings = Settings.from_environment(COMPLETE | {"InsightsStorage__credential": "ManagedIdentity"})
    assert settings.identity.managed


def test_the_account_id_is_in_lower_case() -> None:
    account_id = COMPLETE["VIDEO_INDEXER_ACCOUNT_ID"]
    settings = Settings.from_environment(COMPLETE | {"VIDEO_INDEXER_ACCOUNT_ID": account_id.upper()})
    assert settings.video_indexer.account_id == account_id


def test_a_connection_string_replaces_the_endpoints() -> None:
    environment = {name: value for name, value in COMPLETE.items() if "__" not in name}
    settings = Settings.from_environment(environment | {"InsightsStorage": "UseDevelopmentStorage=true"})
    assert settings.storage.connection_string == "UseDevelopmentStorage=true"
    assert settings.storage.blob_service_uri is None


def test_an_account_name_gives_the_public_clouds_endpoints() -> None:
    environment = {name: value for name, value in COMPLETE.items() if not name.endswith("ServiceUri")}
    settings = Settings.from_environment(environment | {"InsightsStorage__accountName": "insights"})
    assert settings.storage.blob_service_uri == "https://insights.blob.core.windows.net"
    assert settings.storage.queue_service_uri == "https://insights.queue.core.windows.net"


def test_two_signing_keys_are_read_and_never_shown() -> None:
    newest = base64.b64encode(b"n" * 32).decode()
    settings = Settings.from_environment(COMPLETE | {"CALLBACK_SIGNING_KEYS": f"{newest}, {KEY}"})
    assert settings.callback.signing_keys == (b"n" * 32, b"k" * 32)
    for shown in (repr(settings), repr(settings.callback), str(settings)):
        assert "nnnn" not in shown
        assert "kkkk" not in shown


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        ({"WEBSITE_HOSTNAME": "keywire.azurewebsites.net"}, "https://keywire.azurewebsites.net"),
        ({"CALLBACK_BASE_URL": "https://media.example/keywire/"}, "https://media.example/keywire"),
        (
            {"CALLBACK_BASE_URL": "https://media.example", "WEBSITE_HOSTNAME": "keywire.azurewebsites.net"},
            "https://media.example",
        ),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, None),  # Core Tools: only the request says http or https
    ],
)
def test_the_base_url_of_callbacks_is_the_setting_or_the_apps_host(
    environment: dict[str, str], base_url: str | None
) -> None:
    assert Settings.from_environment(COMPLETE | environment).callback.base_url == base_url


def test_the_log_is_read_only_if_its_event_hub_is_set() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.log_event_hub is None
    named = {"VIDEO_INDEXER_LOG_EVENT_HUB": "indexing-log"}
    namespace = {"VideoIndexerLog__fullyQualifiedNamespace": "newsroom.servicebus.windows.net"}
    settings = Settings.from_environment(COMPLETE | named | namespace)
    assert (settings.log_event_hub, settings.log_consumer_group) == ("indexing-log", "$Default")
    group = {"VIDEO_INDEXER_LOG_CONSUMER_GROUP": "keywire"}
    assert Settings.from_environment(COMPLETE | named | namespace | group).log_consumer_group == "keywire"
    assert Settings.from_environment(
        COMPLETE | named | {"VideoIndexerLog": "Endpoint=sb://x/;"}
    ).log_event_hub


def test_an_event_hub_without_a_namespace_is_an_error() -> None:
    with pytest.raises(InvalidSettingsError, match="VideoIndexerLog__fullyQualifiedNamespace is missing"):
        Settings.from_environment(COMPLETE | {"VIDEO_INDEXER_LOG_EVENT_HUB": "indexing-log"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIDEO_INDEXER_LOG_EVENT_HUB", "a hub"),
        ("VIDEO_INDEXER_LOG_CONSUMER_GROUP", "a group"),
        ("VideoIndexerLog__fullyQualifiedNamespace", "https://newsroom.servicebus.windows.net"),
    ],
)
def test_a_malformed_setting_of_the_log_is_named(name: str, value: str) -> None:
    log = {
        "VIDEO_INDEXER_LOG_EVENT_HUB": "indexing-log",
        "VideoIndexerLog__fullyQualifiedNamespace": "newsroom.servicebus.windows.net",
    }
    with pytest.raises(InvalidSettingsError, match=f"{name} is not"):
        Settings.from_environment(COMPLETE | log | {name: value})

"""The deployments of `infra/` that tests check."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from tools.infra_check.deployment import Deployment, deploy

# Names must keep Azure's limits even with the longest name that azd accepts.
LONGEST = "e" * 64
LEAST: dict[str, Any] = {"environmentName": LONGEST, "location": "westeurope"}
EXISTING = (
    "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/media"
    "/providers/Microsoft.VideoIndexer/accounts/newsroom"
)
EVERYTHING = LEAST | {
    "principalId": "44444444-4444-4444-4444-444444444444",
    "videoIndexerRole": "custom",
    "videoIndexerToken": "restricted-viewer",
    "eraseRemoved": True,
    "signCallbacks": True,
    "restrictCallers": True,
    "eventGridExample": True,
    "indexingLog": True,
    "historyRetentionDays": 365,
    "networkIsolation": True,
    "allowedIpAddresses": "203.0.113.7, 198.51.100.0/24",
    "keyVaultPurgeProtection": True,
    "zoneRedundant": True,
    "alwaysReadyHttp": 2,
    "alertEmail": "operators@example.com",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": LEAST,
    "an existing account": LEAST | {"videoIndexerResourceId": EXISTING},
    "nothing optional": LEAST
    | {"videoIndexerResourceId": EXISTING, "videoIndexerRole": "none", "eventGrid": False},
    "everything": EVERYTHING,
    "everything, and an existing account": EVERYTHING | {"videoIndexerResourceId": EXISTING},
}


@cache
def deployments() -> dict[str, Deployment]:
    """Return each variant, deployed."""
    return {name: deploy(parameters) for name, parameters in VARIANTS.items()}


def app_settings(deployment: Deployment) -> dict[str, str]:
    """Return the function app's settings."""
    (config,) = deployment.of("Microsoft.Web/sites/config")
    return dict(config.properties)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a body with its path; items of lists are `[]`."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for each in value:
            yield from leaves(each, f"{path}[]" if isinstance(each, dict) else path)
    else:
        yield path, value

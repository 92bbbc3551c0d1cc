"""Environments that Keywire reads its settings from."""

from collections.abc import Mapping
from typing import Any

VIDEO_INDEXER = {
    "VIDEO_INDEXER_RESOURCE_ID": (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"
    ),
    "VIDEO_INDEXER_ACCOUNT_ID": "8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63",
    "VIDEO_INDEXER_LOCATION": "westeurope",
}
COMPLETE = VIDEO_INDEXER | {
    "InsightsStorage__blobServiceUri": "https://insights.blob.core.windows.net",
    "InsightsStorage__queueServiceUri": "https://insights.queue.core.windows.net/",
    "InsightsStorage__credential": "managedidentity",
    "InsightsStorage__clientId": "0b5c7a52-63d5-4f0c-9d8e-6f6b0f7f4a11",
}


class RecordingEnvironment(dict[str, str]):
    """An environment that records the names that are read with `get`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

"""Records of Video Indexer's diagnostic log, as Azure Monitor writes them."""

from typing import Any

from tests.support.builders import ACCOUNT_ID, VIDEO_ID

TIME = "2026-03-02T09:12:39.5596929Z"


def record(
    operation: str = "IndexingFinished", *, properties: object = None, **fields: Any
) -> dict[str, Any]:
    """Return a record of the category IndexingLogs; a field that is None is omitted."""
    everything: dict[str, Any] = {
        "time": TIME,
        "resourceId": "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.VIDEOINDEXER/ACCOUNTS/NEWSROOM",
        "operationName": operation,
        "category": "IndexingLogs",
        "correlationId": "3d3c3cb5-8b8c-4bfb-8f0e-5d9d6ac5c1a2",
        "resultType": "Success",
        "location": "westeurope",
        "operationVersion": "2.0",
        "durationMs": "50214",
        "identity": {"upn": "inigo.montoya@example.com", "claims": None},
        "properties": of_video() if properties is None else properties,
    }
    return {name: value for name, value in (everything | fields).items() if value is not None}


def of_video(video_id: object = VIDEO_ID, account_id: object = ACCOUNT_ID) -> dict[str, Any]:
    return {
        "accountName": "newsroom",
        "accountId": account_id,
        "videoId": video_id,
        "indexing": {
            "Language": "en-US",
            "Privacy": "Private",
            "Partition": None,
            "IndexingPreset": "Default",
            "StreamingPreset": "Default",
            "Description": None,
            "ExternalId": None,
            "Filename": "Montoya's wedding.mp4",
            "CustomLanguages": "en-US,ar-BH",
            "ExcludedAIs": "Faces",
            "RetentionInDays": 7,
        },
    }


def audit() -> dict[str, Any]:
    return {
        "time": TIME,
        "operationName": "Get-Video-Thumbnail",
        "category": "Audit",
        "location": "westeurope",
        "durationMs": "192",
        "resultSignature": "200",
        "resultType": "Success",
        "resultDescription": "Get Video Thumbnail",
        "callerIpAddress": "46.*****",
        "operationVersion": "Operations",
        "identity": {"externalUserId": "0000*****", "upn": "inigo.montoya@example.com"},
        "properties": {"accountName": "newsroom", "accountId": ACCOUNT_ID, "videoId": VIDEO_ID},
    }

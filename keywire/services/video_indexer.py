"""Wiring of the Video Indexer client: tokens, connections, quota gate."""

from typing import TYPE_CHECKING

import httpx

from keywire.settings import VideoIndexerSettings
from keywire.storage.layout import QUOTA_BLOB
from keywire.video_indexer.client import VideoIndexerClient
from keywire.video_indexer.gate import OpenGate
from keywire.video_indexer.quota_gate import QuotaGate
from keywire.video_indexer.tokens import AccessTokens

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import ContainerClient


def connect(
    account: VideoIndexerSettings, credential: "AsyncTokenCredential", control: "ContainerClient"
) -> VideoIndexerClient:
    """Return a client of `account` whose requests wait for the quota gate in the container `control`."""
    # One connection per job in flight. httpx's defaults keep at most 20 idle connections, for 5 s.
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60.0)
    http = httpx.AsyncClient(headers={"User-Agent": "keywire"}, limits=limits)
    tokens = AccessTokens(
        http,
        credential,
        endpoint=account.resource_manager_endpoint,
        audience=account.resource_manager_audience,
        resource_id=account.resource_id,
        restricted=account.restricted_token,
    )
    gate = (
        OpenGate()
        if account.quota_share is None
        else QuotaGate(
            control.get_blob_client(QUOTA_BLOB),
            share=account.quota_share,
            backfill_share=account.backfill_share,
        )
    )
    return VideoIndexerClient(
        http,
        tokens,
        endpoint=account.endpoint,
        location=account.location,
        account_id=account.account_id,
        language=account.language,
        gate=gate,
    )

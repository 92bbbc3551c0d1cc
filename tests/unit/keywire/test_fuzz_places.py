"""Property tests of paths: the id of a video, an account or an operation never changes the path around it."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self, cast
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient
from hypothesis import given
from hypothesis import strategies as st

from keywire import ids
from keywire.documents import document as documents
from keywire.documents.content import REMOVED
from keywire.documents.document import KeywordDocument
from keywire.ids import VIDEO_ID_PATTERN
from keywire.jobs.queue import MessageQueue
from keywire.operations.operation_log import OperationLog
from keywire.operations.rematch_orders import PageResult, RematchPage, RematchRequest, decode_page
from keywire.settings import InvalidSettingsError, Settings
from keywire.versions.current import CurrentDocuments, video_id_of
from keywire.versions.history import History
from keywire.video_indexer.client import VideoIndexerClient
from keywire.video_indexer.tokens import AccessTokens
from local.storage import OperatorCredential
from tests.support.builders import ACCOUNT_ID
from tests.support.hostile import TEXTS

VIDEO_IDS = st.from_regex(VIDEO_ID_PATTERN) | TEXTS
GUID = r"\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"
ACCOUNT_IDS = st.from_regex(GUID) | st.from_regex(GUID).flatmap(
    lambda account: TEXTS.map(lambda text: account + text)
)
FAR_OFF = 4_000_000_000  # in Unix seconds
OPERATION_ID = st.from_regex(r"\A[0-9a-f]{32}\Z")
OPERATION_IDS = OPERATION_ID | OPERATION_ID.flatmap(lambda op: TEXTS.map(lambda text: op + text)) | TEXTS
ENVIRONMENT = {
    "InsightsStorage__accountName": "insights",
    "VIDEO_INDEXER_RESOURCE_ID": (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"
    ),
    "VIDEO_INDEXER_LOCATION": "westeurope",
}


def container(name: str) -> ContainerClient:
    return ContainerClient("https://insights.blob.core.windows.net", name)


def segments(url: str) -> list[str]:
    """Return the decoded segments of a URL's path; the URL has no query and no fragment."""
    split = urlsplit(url)
    assert (split.query, split.fragment) == ("", "")
    assert "%" not in split.path  # nothing that a server could decode again
    parts = unquote(split.path).split("/")[1:]
    assert not {"", ".", ".."} & set(parts)
    return parts


def document_of(video_id: str) -> KeywordDocument:
    return documents.build(
        REMOVED,
        account_id=ACCOUNT_ID,
        video_id=video_id,
        previous=None,
        failure_message=None,
        extracted_at=datetime(2026, 3, 2, tzinfo=UTC),
    )


@given(VIDEO_IDS)
def test_the_blobs_of_a_video_stay_in_its_folders(video_id: str) -> None:
    if not ids.is_video_id(video_id):
        return
    current = CurrentDocuments(container("keywords"), ACCOUNT_ID)
    history = History(container("keywords-history"), ACCOUNT_ID)
    assert segments(current._document(video_id).url) == ["keywords", ACCOUNT_ID, f"{video_id}.json"]
    assert video_id_of(f"{ACCOUNT_ID}/{video_id}.json") == video_id
    document = document_of(video_id)
    version = f"000001-{document.content_hash[:12]}.json"
    assert segments(history.version_url(document)) == ["keywords-history", ACCOUNT_ID, video_id, version]


@given(TEXTS | st.lists(VIDEO_IDS, max_size=4).map(lambda parts: f"{'/'.join(parts)}.json"))
def test_only_a_blob_at_the_path_of_a_document_is_one(name: str) -> None:
    video_id = video_id_of(name)
    assert video_id is None or name.split("/")[1:] == [f"{video_id}.json"]


class Identity:
    """A credential that always returns a token."""

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("token", FAR_OFF)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


async def request_for(video_id: str) -> httpx.Request:
    """Return the request for a video's index."""
    seen: list[httpx.Request] = []
    claims = base64.urlsafe_b64encode(msgspec.json.encode({"exp": FAR_OFF})).decode().rstrip("=")

    async def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"accessToken": f"head.{claims}.signature"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        tokens = AccessTokens(
            http, Identity(), endpoint="https://arm.test", audience="https://arm.test", resource_id="/account"
        )
        client = VideoIndexerClient(
            http, tokens, endpoint="https://vi.test", location="westeurope", account_id=ACCOUNT_ID
        )
        await client.get_index(video_id)
    return seen[-1]


@given(VIDEO_IDS)
async def test_a_request_for_a_video_stays_on_its_path(video_id: str) -> None:
    if not ids.is_video_id(video_id):
        return
    request = await request_for(video_id)
    assert request.url.raw_path.partition(b"?")[0].decode() == (
        f"/westeurope/Accounts/{ACCOUNT_ID}/Videos/{video_id}/Index"
    )
    assert set(request.url.params) == {
        "includedInsights",
        "includeSummarizedInsights",
        "includeStreamingUrls",
    }


@given(ACCOUNT_IDS)
def test_an_account_id_is_a_guid_or_the_app_does_not_start(account_id: str) -> None:
    environment: Mapping[str, str] = ENVIRONMENT | {"VIDEO_INDEXER_ACCOUNT_ID": account_id}
    try:
        account = Settings.from_environment(environment).video_indexer.account_id
    except InvalidSettingsError:
        return
    current = CurrentDocuments(container("keywords"), account)
    assert segments(current._document("a").url) == ["keywords", account_id.strip().lower(), "a.json"]


class Control:
    """A container client that records the names of the blobs."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def get_blob_client(self, name: str) -> "Control":
        self.names.append(name)
        return self

    async def exists(self) -> bool:
        return False


@given(OPERATION_IDS, st.integers())
async def test_the_notes_of_an_operation_stay_in_its_folder(operation_id: str, page: int) -> None:
    if not ids.is_operation_id(operation_id):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(operation_id, ids.OperationId)
        return
    control = Control()
    log = OperationLog(
        cast("ContainerClient", control),
        MessageQueue(QueueClient("https://insights.queue.core.windows.net", "rematch", OperatorCredential())),
        kind="rematch",
        decode=decode_page,
        result_type=PageResult,
    )
    await log.is_done(
        RematchPage(operation_id=operation_id, request=RematchRequest(), traceparent=None, page=page)
    )
    (name,) = control.names
    assert name.startswith(f"rematch/{operation_id}/page-")
    assert name.count("/") == 2

"""Documents and events, made from index answers by the pure parts of Keywire."""

import json
from datetime import UTC, datetime
from typing import Any

from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.video_indexer import index as indexes
from tests.support.builders import ACCOUNT_ID, TRACEPARENT, VIDEO_ID

SOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"
URL = "https://insights.blob.core.windows.net/keywords-history/a/v/000001-abc.json"


def build(
    body: bytes, previous: KeywordDocument | None = None, *, reference: str | None = None
) -> KeywordDocument:
    parsed = indexes.parse(body)
    return documents.build(
        read_content(parsed),
        account_id=ACCOUNT_ID,
        video_id=VIDEO_ID,
        previous=previous,
        failure_message=parsed.videos[0].failure_message,
        extracted_at=datetime(2026, 3, 2, 9, 15, 27, 413333, tzinfo=UTC),
        reference=reference,
    )


def event_bytes(document: KeywordDocument, previous: KeywordDocument | None = None) -> bytes:
    (event,) = envelope.version_events(document, origin_of(document), previous=previous)
    return event


def origin_of(document: KeywordDocument, edition: int | None = None) -> envelope.Origin:
    return envelope.Origin(
        source=SOURCE,
        edition=edition or document.version,
        time=document.extracted_at,
        body=documents.encode(document),
        url=URL,
        traceparent=TRACEPARENT,
    )


def event_of(document: KeywordDocument, previous: KeywordDocument | None = None) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(event_bytes(document, previous))
    return decoded

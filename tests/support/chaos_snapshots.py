"""The snapshot of a chaos run without a defect, built by the pure parts of Keywire. Tests of the audit break it."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from keywire.documents import document as documents
from keywire.documents.content import FAILED_STATES, REMOVED, Content, read_content
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.envelope import Origin
from keywire.events.interests import ActiveMatch, active_matches, ended_matches
from keywire.interests.matching import matcher as matching
from keywire.versions.names import EVENTS, edition_name
from keywire.video_indexer import index
from local.chaos import contents
from local.chaos.snapshot import Document, Outcome, Snapshot, Video
from tests.support.builders import ACCOUNT_ID

SOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom"
TIME = datetime(2026, 3, 2, 9, tzinfo=UTC)
FAILED = ("Failed", "UnsupportedFileType", "Not a video.")
UNREADABLE_JOB = base64.b64encode(b'{"thisIs": "no job"}').decode()

_matcher = matching.compile(contents.interests_file())


def media(number: int) -> bytes:
    """Return the index file of a video; its keywords depend on `number`."""
    return contents.of_a_video(number, Random(number))


def outcome(body: bytes, failure: tuple[str, str, str] | None = None) -> Outcome:
    """Return the emulator's record of an indexing."""
    found = json.loads(body)["videos"][0]["insights"].get("keywords") or ()
    state, code, message = failure or ("Processed", None, None)
    return Outcome(state=state, failure_code=code, failure_message=message, keywords=tuple(found))


class Account:
    """Videos, with the documents, history and events that Keywire writes for them."""

    def __init__(self) -> None:
        self.videos: list[Video] = []
        self.documents: dict[str, Document] = {}
        self.history: dict[str, bytes] = {}
        self.events: list[bytes] = []

    def add(
        self,
        video_id: str,
        outcomes: Sequence[tuple[bytes, tuple[str, str, str] | None]],
        *,
        versions: Sequence[int] | None = None,
        seen: Sequence[int] = (),
        removed: bool = False,
    ) -> None:
        """Add a video with its outcomes; `versions` are the positions of those that have a version, None for all."""
        video = Video(
            id=video_id,
            name=f"The video {video_id}",
            removed=removed,
            outcomes=tuple(outcome(body, failure) for body, failure in outcomes),
            seen=frozenset(seen),
            reference=None,
        )
        self.videos.append(video)
        places = range(len(outcomes)) if versions is None else versions
        said = [_content(video, *outcomes[place]) for place in places]
        if removed and said:
            said.append((REMOVED, None))
        previous: KeywordDocument | None = None
        before: dict[str, ActiveMatch] = {}
        for number, (content, message) in enumerate(said):
            document = documents.build(
                content,
                account_id=ACCOUNT_ID,
                video_id=video_id,
                previous=previous,
                failure_message=message,
                extracted_at=TIME + timedelta(minutes=number),
            )
            before = self._store(document, previous, before)
            previous = document

    def snapshot(self) -> Snapshot:
        """Return the snapshot."""
        return Snapshot(
            account_id=ACCOUNT_ID,
            source=SOURCE,
            videos=tuple(self.videos),
            documents=dict(self.documents),
            history=dict(self.history),
            queued=tuple(base64.b64encode(event).decode() for event in self.events),
            delivered=tuple(json.dumps(json.loads(event)).encode() for event in self.events),
            poison={
                "extraction-poison": (
                    base64.b64encode(f'{{"message": "{UNREADABLE_JOB}"}}'.encode()).decode(),
                ),
                "backfill-poison": (),
            },
            unreadable_jobs=(UNREADABLE_JOB,),
        )

    def _store(
        self, document: KeywordDocument, previous: KeywordDocument | None, before: dict[str, ActiveMatch]
    ) -> dict[str, ActiveMatch]:
        path = f"{ACCOUNT_ID}/{document.video_id}/{document.version:06d}-{document.content_hash[:12]}"
        body = documents.encode(document)
        url = f"https://storage.example/keywords-history/{path}.json"
        origin = Origin(
            source=SOURCE,
            edition=document.version,
            time=document.extracted_at,
            body=body,
            url=url,
            traceparent=None,
        )
        failed = document.state in FAILED_STATES
        matches = () if failed else _matcher.match(document)
        ended = {} if failed else ended_matches(matches, before)
        lines = envelope.version_events(
            document, origin, previous=previous, matches=matches, ended=list(ended.values())
        )
        self.history[f"{path}.json"] = body
        name = edition_name(document.version, envelope.join(lines), EVENTS)
        self.history[f"{ACCOUNT_ID}/{document.video_id}/{name}"] = envelope.join(lines)
        number = str(document.version)
        marks = dict.fromkeys(("version", "published", "edition", "sent"), number) | {"list": name}
        self.documents[document.video_id] = Document(body=body, metadata=marks)
        self.events += lines
        return before if failed else active_matches(lines)


def account() -> Account:
    """Return an account with one video of each kind."""
    made = Account()
    first, second = media(1), media(2)
    made.add("plain", [(media(3), None)])
    made.add("large", [(_large(), None)])
    made.add("failing", [(b'{"videos": [{"insights": {}}]}', FAILED)])
    made.add("reindexed", [(first, None), (second, None)], seen=[0])
    made.add("same", [(first, None), (first, None)], versions=[0], seen=[0])
    made.add("early", [(first, None), (second, None)], versions=[1])
    made.add("spoilt", [(first, None), (first, FAILED), (second, None)], seen=[0, 1])
    made.add("gone", [(first, None)], seen=[0], removed=True)
    made.add("never", [(first, None)], versions=[], removed=True)
    return made


def _large() -> bytes:
    sizes = ((len(contents.of_a_video(number, Random(number))), number) for number in range(50))
    return media(max(sizes)[1])


def _content(video: Video, body: bytes, failure: tuple[str, str, str] | None) -> tuple[Content, str | None]:
    """Return the content and the failure message of Video Indexer's response."""
    answer: dict[str, Any] = json.loads(body)
    state, code, message = failure or ("Processed", None, None)
    answer |= {"id": video.id, "name": video.name, "state": state}
    answer["videos"][0] |= {"id": video.id, "failureCode": code, "failureMessage": message}
    return read_content(index.parse(json.dumps(answer, ensure_ascii=False).encode())), message

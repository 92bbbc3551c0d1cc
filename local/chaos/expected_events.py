"""The events that a history asks for, and whether a stored event says what it has to. Pure."""

import hashlib
import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.chaos.contents import concerned
from local.chaos.snapshot import Outcome, Snapshot, Video
from local.chaos.versions import FAILED, REMOVED, Json

EXTRACTED: Final = "keywire.keywords.extracted.v1"
CHANGED: Final = "keywire.keywords.changed.v1"
GONE: Final = "keywire.keywords.removed.v1"
UNINDEXED: Final = "keywire.indexing.failed.v1"
MATCHED: Final = "keywire.interest.matched.v1"
WITHDRAWN: Final = "keywire.interest.withdrawn.v1"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An event that there has to be: what it is about, and the keyword texts that it may and must tell."""

    type: str
    subject: str
    version: int
    told: Mapping[str, frozenset[str]]

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it another event than all others of a run."""
        return self.subject, self.type, self.version


def of_history(video_id: str, history: Sequence[Outcome]) -> list[Expected]:
    """The events of all versions of a video, oldest first."""
    found: list[Expected] = []
    good: Outcome | None = None  # whose keywords are in force
    in_force: frozenset[str] = frozenset()
    subject = f"videos/{video_id}"
    for number, outcome in enumerate(history, start=1):
        before = _texts(good)
        if outcome.state in FAILED:
            found.append(Expected(type=UNINDEXED, subject=subject, version=number, told={}))
            continue
        now = _texts(outcome)
        if outcome is REMOVED:
            event = GONE, {"keywords": before}
        elif good is None:
            event = EXTRACTED, {"keywords": now}
        else:
            event = CHANGED, {"added": now - before, "removed": before - now}
        found.append(Expected(type=event[0], subject=subject, version=number, told=event[1]))
        matched = concerned(now)
        for kind, interests in ((MATCHED, matched), (WITHDRAWN, in_force - matched)):
            found += [
                Expected(type=kind, subject=f"{subject}/interests/{each}", version=number, told={})
                for each in sorted(interests)
            ]
        good, in_force = outcome, matched
    return found


def problems_of(
    event: Json, expected: Expected, *, snapshot: Snapshot, video: Video, path: str, edition: int
) -> Iterator[str]:
    """What is wrong with an event of the version at `path`."""
    stored = snapshot.history[f"{path}.json"]
    version, data = json.loads(stored), event["data"]
    envelope = {
        "specversion": "1.0",
        "source": snapshot.source,
        "type": expected.type,
        "subject": expected.subject,
        "time": version["extractedAt"],
        "datacontenttype": "application/json",
        "dataschema": f"urn:keywire:schema:{expected.type}",
        "sequence": f"{edition:09d}",
        "partitionkey": video.id,
    }
    about = {"accountId": snapshot.account_id, "videoId": video.id, "version": expected.version}
    about |= {name: version[name] for name in ("name", "externalId", "metadata", "durationSeconds")}
    if expected.type == UNINDEXED:
        about |= {name: version[name] for name in ("state", "failure")}
    for told, values in ((event, envelope), (data, about)):
        for name, value in values.items():
            if told.get(name) != value:
                yield f"{name} is {told.get(name)!r} and not {value!r}"
    if str(uuid.UUID(event["id"])) != event["id"]:
        yield "its id is no UUID"
    if not data["document"]["url"].endswith(f"/{path}.json"):
        yield "it points at another version"
    if data["document"]["sha256"] != hashlib.sha256(stored).hexdigest():
        yield "its hash is not that of its version"
    yield from _list_problems(data, expected)


def _list_problems(data: Json, expected: Expected) -> Iterator[str]:
    interest = data["interest"]["id"] if expected.type in {MATCHED, WITHDRAWN} else None
    if interest is not None and interest != expected.subject.rpartition("/")[2]:
        yield "it is about another interest"
    for name, texts in expected.told.items():
        told = {keyword["text"] for keyword in data[name]}
        if not (told <= texts if data["truncated"] else told == texts):
            yield f"its list {name} is not what changed"


def _texts(outcome: Outcome | None) -> frozenset[str]:
    keywords: Collection[Mapping[str, Any]] = outcome.keywords if outcome else ()
    return frozenset(keyword["text"] for keyword in keywords)

"""Which versions a video may have, by the truth, and whether those that it has are right. Pure.

Nothing of Keywire is used here: what it computes (ranges, seconds, hashes) is computed anew, or compared with
what lies elsewhere.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from local.chaos.snapshot import Outcome, Snapshot, Video

type Json = Mapping[str, Any]

REMOVED: Final = Outcome(state="Removed", failure_code=None, failure_message=None, keywords=())
FAILED: Final = frozenset({"Failed", "Quarantined"})
# What a document adds to a keyword of Video Indexer.
ADDED: Final = frozenset({"normalized", "ranges", "totalSeconds", "firstSeconds", "score"})
_TIME: Final = re.compile(r"(\d+):(\d\d):(\d\d)(?:\.(\d{1,7}))?")
_TICKS: Final = 10_000_000


def histories(video: Video) -> list[tuple[Outcome, ...]]:
    """Every history that is right for a video: in order, without what says the same as before.

    An outcome that was published before the next thing happened is in all of them, and so is the last one,
    unless the video was deleted: then a tombstone is, if there is any document at all.
    """
    last = set() if video.removed else {len(video.outcomes) - 1}
    needed = video.seen | (last if video.outcomes else set())
    optional = sorted(set(range(len(video.outcomes))) - needed)
    found = []
    for count in range(len(optional) + 1):
        for chosen in itertools.combinations(optional, count):
            outcomes = [video.outcomes[place] for place in sorted(needed | set(chosen))]
            if video.removed and outcomes:
                outcomes.append(REMOVED)
            history = tuple(_without_repeats(outcomes))
            if history not in found:
                found.append(history)
    return found


def chain(snapshot: Snapshot, video_id: str) -> tuple[list[tuple[str, Json]], list[str]]:
    """The versions of a video, oldest first, as `previousHash` leads to them from the current document.

    Each comes with its path without `.json`. Besides, what is wrong with them as a chain.
    """
    document = snapshot.documents[video_id]
    current: Json = json.loads(document.body)
    found: list[tuple[str, Json]] = []
    problems = []
    number, wanted = current["version"], current["contentHash"]
    while number >= 1 and wanted:
        path = f"{snapshot.account_id}/{video_id}/{number:06d}-{wanted[:12]}"
        body = snapshot.history.get(f"{path}.json")
        if body is None:
            problems.append(f"version {number} is not in the history")
            break
        version = json.loads(body)
        if (version["version"], version["contentHash"]) != (number, wanted):
            problems.append(f"version {number} lies in a file of another name")
        if not found and body != document.body:
            problems.append("the current document is not its newest version, byte for byte")
        found.insert(0, (path, version))
        number, wanted = number - 1, version["previousHash"]
    if not problems and (number, wanted) != (0, None):
        problems.append(f"version {number + 1} has the wrong one before it")
    if not document.metadata.get("version") == document.metadata.get("published") == str(current["version"]):
        problems.append(f"version {current['version']} is not marked published")
    if document.metadata.get("edition") != document.metadata.get("sent"):
        problems.append(f"edition {document.metadata.get('edition')} is not marked sent")
    return found, problems


def with_references(history: tuple[Outcome, ...], found: Sequence[tuple[str, Json]]) -> tuple[Outcome, ...]:
    """The history, with an outcome twice where a later signal brought the uploader's reference to it."""
    expanded = list(history)
    for place in range(1, len(found)):
        before, version = found[place - 1][1], found[place][1]
        is_new = before["reference"] is None and version["reference"] is not None
        if is_new and before["contentHash"] == version["contentHash"] and place <= len(expanded):
            expanded.insert(place, expanded[place - 1])
    return tuple(expanded)


def sent_events(snapshot: Snapshot, video_id: str, version: int) -> list[tuple[int, bytes]]:
    """The events of a version's editions, each with the edition's number.

    A list that its document never named was never sent, and does not count.
    """
    named = snapshot.documents[video_id].metadata.get("list")
    prefix = f"{snapshot.account_id}/{video_id}/e"
    found = []
    for path, body in sorted(snapshot.history.items()):
        lines = body.splitlines() if path.startswith(prefix) and path.endswith(".events.ndjson") else []
        about = [json.loads(line) for line in lines]
        if not about or about[0]["data"].get("version", version) != version:
            continue
        if path.rpartition("/")[2] == named or not snapshot.queued_bodies.isdisjoint(lines):
            edition = int(path.rpartition("/e")[2][:6])
            found += [(edition, line) for line in lines]
    return found


def problems_of(
    snapshot: Snapshot, video: Video, outcome: Outcome, version: Json, previous: Json | None
) -> Iterator[str]:
    """What is wrong with a version that is to tell of `outcome`."""
    number = previous["version"] + 1 if previous else 1
    removed, failed = outcome is REMOVED, outcome.state in FAILED
    kept = previous["keywordsVersion"] if previous else None
    expected = {
        "accountId": snapshot.account_id,
        "videoId": video.id,
        "name": None if removed else video.name,
        "state": outcome.state,
        "version": number,
        "keywordsVersion": kept if failed else None if removed else number,
    }
    for name, value in expected.items():
        if version[name] != value:
            yield f"{name} is {version[name]!r} and not {value!r}"
    if version["reference"] not in {None, video.reference}:
        yield "it has another video's reference"
    failure = version["failure"]
    if (failure["code"] if failure else None) != outcome.failure_code:
        yield f"its failure is {failure}"
    if failed:
        if version["keywords"] != (previous["keywords"] if previous else []):
            yield "a failed indexing changed the keywords"
    elif [_as_sent(keyword) for keyword in version["keywords"]] != list(outcome.keywords):
        yield "its keywords are not those of Video Indexer"
    else:
        for keyword in version["keywords"]:
            yield from _keyword_problems(keyword)


def _without_repeats(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    before: Outcome | None = None
    for outcome in outcomes:
        if before is None or outcome.content != before.content:
            yield outcome
            before = outcome


def _as_sent(keyword: Json) -> dict[str, Any]:
    return {name: value for name, value in keyword.items() if name not in ADDED}


def _keyword_problems(keyword: Json) -> Iterator[str]:
    merged: list[list[int]] = []
    times = sorted((_ticks(each["start"]), _ticks(each["end"])) for each in keyword["instances"])
    for start, end in times:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    ranges = [[start / _TICKS, end / _TICKS] for start, end in merged]
    total = sum(end - start for start, end in merged) / _TICKS
    if keyword["ranges"] != ranges or keyword["totalSeconds"] != total:
        yield f"the times of {keyword['text']!r} are not those of its instances"
    if keyword["firstSeconds"] != (ranges[0][0] if ranges else None):
        yield f"{keyword['text']!r} does not begin when it does"
    if keyword["text"].isascii() and keyword["normalized"] != keyword["text"].lower():
        yield f"{keyword['text']!r} is normalized as {keyword['normalized']!r}"
    if not 0 <= keyword["score"] <= 1:
        yield f"the score of {keyword['text']!r} is {keyword['score']}"


def _ticks(text: str) -> int:
    match = _TIME.fullmatch(text)
    assert match is not None
    hours, minutes, seconds, fraction = match.groups()
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * _TICKS + int((fraction or "").ljust(7, "0"))

"""The audit: whether everything that had to arrive has arrived, and nothing else. Pure.

From the truth of Video Indexer's emulator follow the versions that each video may have, from those the events
that there have to be. Each event is stored beside its version; all its copies, wherever they went, have to be
that one.
"""

import base64
import binascii
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.chaos import expected_events, versions
from local.chaos.expected_events import Expected
from local.chaos.snapshot import Outcome, Snapshot, Video

JOB_POISON: Final = "extraction-poison"
LOG_POISON: Final = "diagnostics-poison"
UNQUEUED: Final = "the job could not be queued"

type Key = tuple[str, str, int]


@dataclass
class Audit:
    """What it came to.

    Attributes:
        documents: Videos whose current document and history are exactly right.
        documents_expected: Videos that have to have a document.
        events_expected: Different events; each has to be at every destination.
        events_lost: Those that are missing, at each destination for itself.
        events_foreign: Copies of what no version tells.
        ids_with_differing_bytes: Ids whose copies are not all the same.
        duplicate_deliveries: Copies beyond the first, at each destination for itself; they are allowed.
        sequence_gaps: Version numbers that are missing in a history or at a destination.
        poison_unexpected: Messages on poison queues, and dead letters, that don't belong there.
        findings: What is wrong, a line each.
    """

    documents: int = 0
    documents_expected: int = 0
    events_expected: int = 0
    events_lost: int = 0
    events_foreign: int = 0
    ids_with_differing_bytes: int = 0
    duplicate_deliveries: int = 0
    sequence_gaps: int = 0
    poison_unexpected: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass
class _Events:
    """The events that there have to be: as they are stored, or known by their key alone."""

    stored: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    missing: list[Key] = field(default_factory=list)


def audit(snapshot: Snapshot) -> Audit:
    """Judge what was found."""
    result, events = Audit(), _Events()
    for video in snapshot.videos:
        _judge_video(snapshot, video, result, events)
    known = {video.id for video in snapshot.videos}
    result.findings += [
        f"video={video_id} has a document, and never was" for video_id in snapshot.documents.keys() - known
    ]
    result.events_expected = len(events.stored) + len(events.missing)
    queued = _read_all("the queue", map(decoded, snapshot.queued), result)
    delivered = _read_all("the subscriber", snapshot.delivered, result)
    for destination, copies in (("the queue", queued), ("the subscriber", delivered)):
        _judge_destination(destination, copies, events, result)
    _judge_copies(queued, delivered, events, result)
    _judge_poison(snapshot, result)
    return result


def _judge_video(snapshot: Snapshot, video: Video, result: Audit, events: _Events) -> None:
    allowed = versions.histories(video)
    must_be = () not in allowed
    result.documents_expected += must_be
    if video.id not in snapshot.documents:
        if must_be:
            result.findings.append(f"video={video.id} has no document")
            events.missing += [each.key for each in expected_events.of_history(video.id, allowed[0])]
        return
    result.documents_expected += not must_be
    found, problems = versions.chain(snapshot, video.id)
    result.sequence_gaps += sum("not in the history" in problem for problem in problems)
    allowed = [versions.with_references(history, found) for history in allowed]
    history, wrong = _best(snapshot, video, allowed, found)
    problems += wrong
    result.findings += [f"video={video.id} {problem}" for problem in problems]
    result.documents += not problems
    expected = expected_events.of_history(video.id, history)
    for number, (path, _) in enumerate(found, start=1):
        wanted = [each for each in expected if each.version == number]
        _judge_editions(snapshot, video, path, number, wanted, result, events)
    events.missing += [each.key for each in expected if each.version > len(found)]


def _best(
    snapshot: Snapshot,
    video: Video,
    allowed: list[tuple[Outcome, ...]],
    found: list[tuple[str, versions.Json]],
) -> tuple[tuple[Outcome, ...], list[str]]:
    """The history that the versions tell, with what is wrong with them; where none fits, the least one."""
    attempts = []
    for history in allowed:
        problems = []
        if len(history) != len(found):
            problems.append(f"has {len(found)} versions and not {len(history)}")
        previous = None
        for outcome, (_, version) in zip(history, found, strict=False):
            told = _readable(versions.problems_of(snapshot, video, outcome, version, previous))
            problems += [f"version={version['version']} {problem}" for problem in told]
            previous = version
        if not problems:
            return history, []
        attempts.append((len(problems), history, problems))
    _, history, problems = min(attempts, key=lambda attempt: attempt[0])
    return history, problems


def _judge_editions(
    snapshot: Snapshot,
    video: Video,
    path: str,
    version: int,
    expected: list[Expected],
    result: Audit,
    events: _Events,
) -> None:
    """The stored events of one version: each that is right is expected everywhere, all others are foreign."""
    open_ones = {each.key: each for each in expected}
    for edition, line in versions.sent_events(snapshot, video.id, version):
        event = json.loads(line)
        wanted = open_ones.pop((event["subject"], event["type"], version), None)
        if wanted is None:
            result.findings.append(f"video={video.id} stores an event too many: {_said(event)}")
            continue
        told = _readable(
            expected_events.problems_of(
                event, wanted, snapshot=snapshot, video=video, path=path, edition=edition
            )
        )
        problems = [f"video={video.id} event={_said(event)} {problem}" for problem in told]
        if event["id"] in events.stored:
            problems.append(f"video={video.id} event={_said(event)} has the id of another")
        if problems:
            result.findings += problems
            events.missing.append(wanted.key)
        else:
            events.stored[event["id"]] = line
            events.keys[event["id"]] = wanted.key
    events.missing += open_ones.keys()


def _judge_destination(
    destination: str, copies: Mapping[str, list[bytes]], events: _Events, result: Audit
) -> None:
    for event_id, key in events.keys.items():
        count = len(copies.get(event_id, ()))
        result.duplicate_deliveries += max(0, count - 1)
        if count == 0:
            result.events_lost += 1
            result.findings.append(f"{destination} never got {_named(key)} id={event_id}")
    for key in events.missing:
        result.events_lost += 1
        result.findings.append(f"{destination} never got {_named(key)}, which is not stored either")
    for event_id in copies.keys() - events.stored.keys():
        result.events_foreign += len(copies[event_id])
        result.findings.append(f"{destination} got an event that no version tells: id={event_id}")
    sequences: dict[str, set[int]] = defaultdict(set)
    for event_id in copies.keys() & events.keys.keys():
        subject, _, version = events.keys[event_id]
        sequences[subject.split("/")[1]].add(version)
    for video_id, found in sequences.items():
        gaps = set(range(1, max(found) + 1)) - found
        result.sequence_gaps += len(gaps)
        result.findings += [f"{destination} has no event of version {gap} of {video_id}" for gap in gaps]


def _judge_copies(
    queued: Mapping[str, list[bytes]], delivered: Mapping[str, list[bytes]], events: _Events, result: Audit
) -> None:
    """On the queue the bytes are those that are stored; at the subscriber the JSON value is."""
    for event_id in queued.keys() | delivered.keys():
        bodies = set(queued.get(event_id, ()))
        stored = events.stored.get(event_id)
        if stored is not None:
            bodies.add(stored)
        values = [json.loads(body) for body in (*bodies, *delivered.get(event_id, ()))]
        if len(bodies) > 1 or any(value != values[0] for value in values):
            result.ids_with_differing_bytes += 1
            result.findings.append(f"the copies of event id={event_id} differ")


def _judge_poison(snapshot: Snapshot, result: Audit) -> None:
    """Only what is no job belongs there; Keywire puts it into a message that gives the reason.

    And records of Video Indexer's log, where storage could not be reached: nobody hands those out again.
    """
    unreadable = Counter(dict.fromkeys(snapshot.unreadable_jobs, 0))
    for queue, messages in snapshot.poison.items():
        for message in messages:
            held = decoded(message).decode(errors="replace")
            about = [text for text in unreadable if text == message or text in held]
            unreadable.update(about)
            put_aside = (
                queue == LOG_POISON and snapshot.storage_stopped and _reason(held).startswith(UNQUEUED)
            )
            if not put_aside and (not about or queue != JOB_POISON):
                result.poison_unexpected += 1
                result.findings.append(f"{queue} has a message that does not belong there: {_reason(held)}")
    lost = [text for text, count in unreadable.items() if count == 0]
    result.findings += ["a job that can't be read is not on its poison queue"] * len(lost)
    result.poison_unexpected += snapshot.dead_letters
    result.findings += ["Event Grid gave up an event"] * snapshot.dead_letters


def _readable(problems: Iterable[str]) -> Iterator[str]:
    """The problems; that a field is missing, or of another type, is one more."""
    try:
        yield from problems
    except (KeyError, TypeError, ValueError) as error:
        yield f"it has another form: {error!r}"


def _read_all(destination: str, bodies: Iterable[bytes], result: Audit) -> dict[str, list[bytes]]:
    """Copies by id; what has none is foreign."""
    copies: dict[str, list[bytes]] = defaultdict(list)
    for body in bodies:
        try:
            copies[str(json.loads(body)["id"])].append(body)
        except (ValueError, KeyError, TypeError):
            result.events_foreign += 1
            result.findings.append(f"{destination} got what is no event")
    return copies


def _reason(message: str) -> str:
    """Why Keywire gave something up, in its own words."""
    try:
        return str(json.loads(message)["reason"])
    except (ValueError, KeyError, TypeError):
        return "it has no reason"


def decoded(text: str) -> bytes:
    """What a queue message holds, nothing where it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _said(event: Mapping[str, Any]) -> str:
    return f"{event['type']} sequence={event['sequence']}"


def _named(key: Key) -> str:
    subject, event_type, version = key
    return f"{event_type} of {subject} version {version}"

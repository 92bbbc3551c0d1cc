"""The audit of a run: what is right passes, and nothing that is wrong does."""

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.chaos.audit import Audit, audit
from local.chaos.snapshot import Document, Outcome, Snapshot
from tests.support.builders import ACCOUNT_ID
from tests.support.chaos_snapshots import UNREADABLE_JOB, account, media

FIGURES = (
    "events_lost",
    "events_foreign",
    "ids_with_differing_bytes",
    "sequence_gaps",
    "poison_unexpected",
)


@pytest.fixture(scope="module")
def right() -> Snapshot:
    return account().snapshot()


def wrong_figures(result: Audit) -> dict[str, int]:
    return {name: getattr(result, name) for name in FIGURES if getattr(result, name)}


def changed(snapshot: Snapshot, **parts: Any) -> Snapshot:
    return dataclasses.replace(snapshot, **parts)


def event_of(snapshot: Snapshot, subject: str, event_type: str = "keywire.keywords") -> int:
    """The place of an event on the queue, the last one of its subject and type."""
    return max(
        place
        for place, text in enumerate(snapshot.queued)
        if (event := json.loads(base64.b64decode(text)))["subject"] == f"videos/{subject}"
        and event["type"].startswith(event_type)
    )


def without(texts: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    return (*texts[:place], *texts[place + 1 :])


def altered(text: str, **fields: Any) -> str:
    return base64.b64encode(json.dumps(json.loads(base64.b64decode(text)) | fields).encode()).decode()


def files_of(snapshot: Snapshot, video_id: str, number: int) -> list[str]:
    """The files of a version: it is told in the edition of its own number."""
    folder = f"{ACCOUNT_ID}/{video_id}/"
    return [
        name
        for name in snapshot.history
        if name.startswith((f"{folder}{number:06d}-", f"{folder}e{number:06d}-"))
    ]


def test_a_run_in_which_all_is_well_has_nothing_to_find(right: Snapshot) -> None:
    result = audit(right)
    assert result.findings == []
    assert wrong_figures(result) == {}
    assert (result.documents, result.documents_expected) == (8, 8)
    assert result.events_expected == len(right.queued) > 20
    assert result.duplicate_deliveries == 0


def test_all_types_of_events_are_in_it(right: Snapshot) -> None:
    types = {json.loads(base64.b64decode(text))["type"] for text in right.queued}
    assert types == {
        "keywire.keywords.extracted.v1",
        "keywire.keywords.changed.v1",
        "keywire.keywords.removed.v1",
        "keywire.indexing.failed.v1",
        "keywire.interest.matched.v1",
        "keywire.interest.withdrawn.v1",
    }


def test_copies_of_the_same_event_are_allowed_and_counted(right: Snapshot) -> None:
    twice = changed(
        right, queued=(*right.queued, *right.queued[:3]), delivered=(*right.delivered, right.delivered[0])
    )
    result = audit(twice)
    assert result.findings == []
    assert result.duplicate_deliveries == 4


def test_an_event_that_is_missing_on_the_queue_is_lost(right: Snapshot) -> None:
    result = audit(changed(right, queued=without(right.queued, event_of(right, "plain"))))
    assert wrong_figures(result) == {"events_lost": 1}


def test_an_event_that_the_subscriber_never_got_is_lost(right: Snapshot) -> None:
    result = audit(changed(right, delivered=without(right.delivered, event_of(right, "gone"))))
    # What is told of interests has the same sequence, so that there is no gap.
    assert result.events_lost == 1
    assert len(result.findings) >= 1


def test_a_version_of_which_no_event_arrived_is_a_gap(right: Snapshot) -> None:
    kept = [
        (text, body)
        for text, body in zip(right.queued, right.delivered, strict=True)
        if (event := json.loads(body))["partitionkey"] != "spoilt" or event["sequence"] != "000000002"
    ]
    queued, delivered = zip(*kept, strict=True)
    result = audit(changed(right, queued=queued, delivered=delivered))
    assert wrong_figures(result) == {"events_lost": 2, "sequence_gaps": 2}


def test_an_altered_event_on_the_queue_differs(right: Snapshot) -> None:
    place = event_of(right, "plain")
    other = altered(right.queued[place], time="2026-03-02T10:00:00Z")
    result = audit(changed(right, queued=(*without(right.queued, place), other)))
    assert wrong_figures(result) == {"ids_with_differing_bytes": 1}


def test_a_copy_with_other_bytes_differs_though_its_value_is_the_same(right: Snapshot) -> None:
    result = audit(changed(right, queued=(*right.queued, altered(right.queued[0]))))
    assert wrong_figures(result) == {"ids_with_differing_bytes": 1}


def test_an_altered_event_at_the_subscriber_differs(right: Snapshot) -> None:
    event = json.loads(right.delivered[0])
    event["data"]["durationSeconds"] = 1.5
    result = audit(changed(right, delivered=(json.dumps(event).encode(), *right.delivered[1:])))
    assert wrong_figures(result) == {"ids_with_differing_bytes": 1}


@pytest.mark.parametrize("destination", ["queued", "delivered"])
def test_an_invented_event_is_foreign(right: Snapshot, destination: str) -> None:
    invented = altered(right.queued[0], id="6f9619ff-8b86-5d11-b42d-00cf4fc964ff")
    body: Any = invented if destination == "queued" else base64.b64decode(invented)
    result = audit(changed(right, **{destination: (*getattr(right, destination), body)}))
    assert wrong_figures(result) == {"events_foreign": 1}


@pytest.mark.parametrize(
    "text", ["no base64", base64.b64encode(b"no JSON").decode(), base64.b64encode(b"[]").decode()]
)
def test_what_is_no_event_is_foreign(right: Snapshot, text: str) -> None:
    result = audit(changed(right, queued=(*right.queued, text)))
    assert wrong_figures(result) == {"events_foreign": 1}


def stale(snapshot: Snapshot) -> Snapshot:
    """The document that was current before, as it was then; its history is that of then, too."""
    gone, (first, *_) = files_of(snapshot, "reindexed", 2), files_of(snapshot, "reindexed", 1)
    lost = [place for place, body in enumerate(snapshot.delivered) if _is_of(body, "reindexed", 2)]
    document = Document(body=snapshot.history[first], metadata={"version": "1", "published": "1"})
    return changed(
        snapshot,
        documents={**snapshot.documents, "reindexed": document},
        history={name: body for name, body in snapshot.history.items() if name not in gone},
        queued=tuple(text for place, text in enumerate(snapshot.queued) if place not in lost),
        delivered=tuple(body for place, body in enumerate(snapshot.delivered) if place not in lost),
    )


def _is_of(body: bytes, video_id: str, version: int) -> bool:
    event = json.loads(body)
    return bool(event["partitionkey"] == video_id and event["sequence"] == f"{version:09d}")


def test_a_stale_document_is_found_and_what_it_never_told_is_lost(right: Snapshot) -> None:
    result = audit(stale(right))
    assert result.documents == 7
    assert result.events_lost >= 2
    assert "video=reindexed has 1 versions and not 2" in result.findings


def no_document(snapshot: Snapshot) -> Snapshot:
    documents = {name: each for name, each in snapshot.documents.items() if name != "plain"}
    return changed(snapshot, documents=documents)


def no_tombstone(snapshot: Snapshot) -> Snapshot:
    (first,) = [name for name in files_of(snapshot, "gone", 1) if name.endswith(".json")]
    document = Document(body=snapshot.history[first], metadata={"version": "1", "published": "1"})
    return changed(snapshot, documents={**snapshot.documents, "gone": document})


def a_version_missing(snapshot: Snapshot) -> Snapshot:
    gone = [name for name in files_of(snapshot, "reindexed", 1) if name.endswith(".json")]
    return changed(
        snapshot, history={name: body for name, body in snapshot.history.items() if name not in gone}
    )


def not_published(snapshot: Snapshot) -> Snapshot:
    document = dataclasses.replace(snapshot.documents["plain"], metadata={"version": "1", "published": "0"})
    return changed(snapshot, documents={**snapshot.documents, "plain": document})


def another_keyword(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version["keywords"][0].update(text="something else"))


def another_time(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version["keywords"][0].update(totalSeconds=1.0))


def another_state(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version.update(state="Failed"))


def a_field_missing(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version.pop("keywordsVersion"))


def another_document_than_its_version(snapshot: Snapshot) -> Snapshot:
    old = snapshot.documents["plain"]
    document = dataclasses.replace(old, body=old.body.replace(b": ", b":") + b" ")
    return changed(snapshot, documents={**snapshot.documents, "plain": document})


def keywords_lost_in_a_failure(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version.update(keywords=[]), "spoilt", 2)


def the_reference_of_another(snapshot: Snapshot) -> Snapshot:
    return _rewritten(snapshot, lambda version: version.update(reference="of another"))


def _rewritten(
    snapshot: Snapshot, change: Callable[[dict[str, Any]], object], video_id: str = "plain", number: int = 1
) -> Snapshot:
    """A version, said to be another; where it is the current one, the document agrees with its file."""
    (name,) = [name for name in files_of(snapshot, video_id, number) if name.endswith(".json")]
    version = json.loads(snapshot.history[name])
    change(version)
    before, body = snapshot.history[name], json.dumps(version).encode()
    documents = {
        each: dataclasses.replace(document, body=body) if document.body == before else document
        for each, document in snapshot.documents.items()
    }
    return changed(snapshot, history=dict(snapshot.history) | {name: body}, documents=documents)


def a_document_of_nobody(snapshot: Snapshot) -> Snapshot:
    return changed(snapshot, documents={**snapshot.documents, "nobody": snapshot.documents["plain"]})


def a_version_too_many(snapshot: Snapshot) -> Snapshot:
    """What the video was before its re-index is not what it is, and nobody had to see it."""
    videos = [
        dataclasses.replace(video, outcomes=video.outcomes[1:]) if video.id == "reindexed" else video
        for video in snapshot.videos
    ]
    return changed(snapshot, videos=tuple(dataclasses.replace(video, seen=frozenset()) for video in videos))


def an_unseen_outcome_that_was_seen(snapshot: Snapshot) -> Snapshot:
    videos = [
        dataclasses.replace(video, seen=frozenset({0})) if video.id == "early" else video
        for video in snapshot.videos
    ]
    return changed(snapshot, videos=tuple(videos))


def a_tombstone_of_a_living_video(snapshot: Snapshot) -> Snapshot:
    videos = [dataclasses.replace(video, removed=False) for video in snapshot.videos]
    return changed(snapshot, videos=tuple(videos))


@pytest.mark.parametrize(
    "spoil",
    [
        no_document,
        no_tombstone,
        a_version_missing,
        not_published,
        another_keyword,
        another_time,
        another_state,
        a_field_missing,
        a_document_of_nobody,
        a_version_too_many,
        an_unseen_outcome_that_was_seen,
        a_tombstone_of_a_living_video,
    ],
)
def test_a_wrong_document_or_history_is_found(right: Snapshot, spoil: Callable[[Snapshot], Snapshot]) -> None:
    assert audit(spoil(right)).findings


def test_a_version_that_is_not_in_the_history_is_a_gap(right: Snapshot) -> None:
    assert audit(a_version_missing(right)).sequence_gaps == 1


def test_a_version_that_no_chain_leads_to_is_allowed_but_not_its_events(right: Snapshot) -> None:
    name = f"{ACCOUNT_ID}/plain/000002-0123456789ab"
    lost_a_race = json.loads(base64.b64decode(right.queued[0])) | {
        "id": "6f9619ff-8b86-5d11-b42d-00cf4fc964ff"
    }
    line = json.dumps(lost_a_race).encode()
    orphan = changed(
        right, history=dict(right.history) | {f"{name}.json": b"{}", f"{name}.events.ndjson": line}
    )
    assert audit(orphan).findings == []
    assert audit(changed(orphan, delivered=(*right.delivered, line))).events_foreign == 1


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"subject": "videos/plain"}, "stores an event too many"),
        ({"source": "/somebody/else"}, "source is '/somebody/else'"),
        ({"sequence": "000000009"}, "sequence is"),
        ({"type": "keywire.keywords.extracted.v1"}, "stores an event too many"),
        ({"time": "2026-03-02T10:00:00Z"}, "time is"),
        ({"data": {}}, "has another form"),
    ],
)
def test_a_stored_event_that_says_the_wrong_thing_is_foreign_and_the_right_one_lost(
    right: Snapshot, fields: dict[str, Any], finding: str
) -> None:
    """All its copies agree, which makes it no better."""
    (name,) = [name for name in files_of(right, "failing", 1) if name.endswith("ndjson")]
    line = json.dumps(json.loads(right.history[name]) | fields).encode()
    place = event_of(right, "failing", "keywire.indexing")
    result = audit(
        changed(
            right,
            history=dict(right.history) | {name: line},
            queued=(*without(right.queued, place), base64.b64encode(line).decode()),
            delivered=(*without(right.delivered, place), line),
        )
    )
    assert wrong_figures(result) == {"events_lost": 2, "events_foreign": 2}
    assert any(finding in each for each in result.findings)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda event: event["data"]["keywords"][0].update(text="else"), "list keywords is not what changed"),
        (lambda event: event["data"]["document"].update(sha256="0"), "its hash is not that of its version"),
        (lambda event: event["data"]["document"].update(url="/x.json"), "it points at another version"),
        (lambda event: event.update(id=event["id"].upper()), "its id is no UUID"),
    ],
)
def test_an_event_that_does_not_fit_its_version_is_found(
    right: Snapshot, change: Callable[[dict[str, Any]], object], finding: str
) -> None:
    findings = audit(_told_otherwise(right, change, 0)).findings
    assert any(finding in each for each in findings), findings


def test_an_event_about_another_interest_than_its_subject_says_is_found(right: Snapshot) -> None:
    def change(event: dict[str, Any]) -> None:
        event["data"]["interest"]["id"] = "another"

    findings = audit(_told_otherwise(right, change, 1)).findings
    assert any("it is about another interest" in each for each in findings), findings


def _told_otherwise(snapshot: Snapshot, change: Callable[[dict[str, Any]], object], place: int) -> Snapshot:
    """A stored event of a video of one version, at a place of its list, that says something else."""
    (name,) = [name for name in files_of(snapshot, "plain", 1) if name.endswith("ndjson")]
    lines = [json.loads(line) for line in snapshot.history[name].splitlines()]
    change(lines[place])
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    return changed(snapshot, history=dict(snapshot.history) | {name: body})


def test_poison_that_nobody_put_there_is_unexpected(right: Snapshot) -> None:
    poison = dict(right.poison) | {"backfill-poison": (base64.b64encode(b"a job").decode(),)}
    assert wrong_figures(audit(changed(right, poison=poison))) == {"poison_unexpected": 1}


def test_a_log_record_belongs_to_poison_only_where_storage_could_not_be_reached(right: Snapshot) -> None:
    """The Event Hub hands it out once; reconciliation finds its video."""
    record = {"reason": "the job could not be queued: ServiceRequestError", "message": "e30="}
    body = base64.b64encode(json.dumps(record).encode()).decode()
    found = changed(right, poison=dict(right.poison) | {"diagnostics-poison": (body,)})
    assert wrong_figures(audit(found)) == {"poison_unexpected": 1}
    assert audit(changed(found, storage_stopped=True)).findings == []
    record["reason"] = "videoId is missing"
    other = base64.b64encode(json.dumps(record).encode()).decode()
    found = changed(found, poison=dict(right.poison) | {"diagnostics-poison": (other,)}, storage_stopped=True)
    (finding,) = audit(found).findings
    assert finding.endswith("videoId is missing")


def test_what_belongs_to_poison_and_is_not_there_is_found(right: Snapshot) -> None:
    assert audit(changed(right, poison={})).findings == [
        "a job that can't be read is not on its poison queue"
    ]


def test_what_the_host_itself_moved_to_poison_is_known_again(right: Snapshot) -> None:
    assert audit(changed(right, poison={"extraction-poison": (UNREADABLE_JOB,)})).findings == []


def test_a_dead_letter_is_unexpected(right: Snapshot) -> None:
    assert wrong_figures(audit(changed(right, dead_letters=1))) == {"poison_unexpected": 1}


def test_other_words_for_the_same_failure_are_no_other_version() -> None:
    first = Outcome(state="Failed", failure_code="General", failure_message="One.", keywords=())
    assert first.content == dataclasses.replace(first, failure_message="Another.").content
    assert first.content != dataclasses.replace(first, failure_code="Other").content


def test_the_contents_of_two_videos_differ() -> None:
    assert media(1) != media(2)

"""Video Indexer's diagnostic log, as an Event Hub delivers it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.jobs import job as jobs
from keywire.signals.indexing_log import FailedRecord, Ignored, Signal, read_message
from tests.support.builders import ACCOUNT_ID, VIDEO_ID
from tests.support.log_records import TIME, audit, of_video, record

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
AS_OF = datetime(2026, 3, 2, 9, 12, 39, 559692, tzinfo=UTC)


def read(body: bytes) -> list[Signal | Ignored | FailedRecord]:
    return read_message(
        body, account_id=ACCOUNT_ID, received_at=NOW, traceparent="00-1-2-01", new_job_id=lambda: "j1"
    )


def message(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


def one(given: object) -> Signal | Ignored | FailedRecord:
    (reading,) = read(message(given))
    return reading


def job_of(reading: Signal | Ignored | FailedRecord) -> jobs.ExtractionJob:
    assert isinstance(reading, Signal)
    return reading.job


def reason_of(reading: Signal | Ignored | FailedRecord) -> str:
    assert isinstance(reading, FailedRecord)
    return reading.reason


@pytest.mark.parametrize("operation", ["IndexingFinished", "ReindexingFinished", "indexingfinished"])
@pytest.mark.parametrize("result", ["Success", "Failure", None])
def test_a_finished_indexing_becomes_a_job_for_any_result(operation: str, result: str | None) -> None:
    assert job_of(one(record(operation, resultType=result))) == jobs.ExtractionJob(
        video_id=VIDEO_ID,
        job_id="j1",
        signal="diagnostics",
        received_at=NOW,
        as_of=AS_OF,
        traceparent="00-1-2-01",
    )


def test_a_signal_has_the_bytes_of_its_record() -> None:
    text = json.dumps(record(), indent=1)
    (reading,) = read(f'{{"records": [ {text} ]}}'.encode())
    assert isinstance(reading, Signal)
    assert reading.body == text.encode()


@pytest.mark.parametrize(
    "operation", ["UploadStarted", "UploadFinished", "IndexingStarted", "ReindexingStarted", "Exploded"]
)
def test_any_other_operation_is_ignored(operation: str) -> None:
    assert one(record(operation)) == Ignored("another operation")


def test_an_audit_record_is_ignored() -> None:
    assert one(audit()) == Ignored("another category")


def test_a_record_of_another_account_is_ignored_even_if_it_is_malformed() -> None:
    other = of_video(video_id="../x", account_id="00000000-0000-0000-0000-000000000000")
    assert one(record(properties=other, time="soon")) == Ignored("another account")


def test_the_account_id_is_compared_in_any_case() -> None:
    assert job_of(one(record(properties=of_video(account_id=ACCOUNT_ID.upper())))).video_id == VIDEO_ID


def test_each_record_of_a_message_is_read_by_itself() -> None:
    kinds = [audit(), record("UploadFinished"), record(), 5, record(properties=of_video("b")), None]
    readings = read(message(*kinds))
    assert [type(reading) for reading in readings] == [
        Ignored,
        Ignored,
        Signal,
        FailedRecord,
        Signal,
        FailedRecord,
    ]
    assert [job_of(readings[index]).video_id for index in (2, 4)] == [VIDEO_ID, "b"]


def upper(given: dict[str, Any]) -> dict[str, Any]:
    return {name.upper(): upper(value) if isinstance(value, dict) else value for name, value in given.items()}


@pytest.mark.parametrize(
    "written",
    [
        lambda: message(record()),
        lambda: b"\xef\xbb\xbf" + message(record()),
        lambda: b" \r\n" + message(record()) + b"\n",
        lambda: json.dumps([record()]).encode(),
        lambda: json.dumps(record()).encode(),
        lambda: json.dumps({"Records": record()}).encode(),
        lambda: json.dumps({"records": json.dumps([record()])}).encode(),
        lambda: json.dumps(json.dumps({"records": [record()]})).encode(),
        lambda: message(json.dumps(record())),
        lambda: message(record(properties=json.dumps(of_video()))),
        lambda: message(upper(record())),
        lambda: message(record(resourceId=5, durationMs=50214, identity="nobody", location=[])),
    ],
)
def test_every_encoding_of_a_record_is_read(written: Callable[[], bytes]) -> None:
    (reading,) = read(written())
    assert (job_of(reading).video_id, job_of(reading).as_of) == (VIDEO_ID, AS_OF)


@pytest.mark.parametrize("body", [b'{"records": []}', b"[]"])
def test_a_message_without_records_is_empty(body: bytes) -> None:
    assert read(body) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"not JSON", b'{"records": [', b"\xff\xfe", b"5", b"null", b'"text"', b'"\\ud800"', b"[" * 100_000],
)
def test_a_message_that_is_not_records_fails_as_a_whole(body: bytes) -> None:
    (reading,) = read(body)
    assert isinstance(reading, FailedRecord)
    assert reading.reason.startswith("the message is not JSON records")
    assert reading.body == body


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (5, "the record is not a readable object"),
        (None, "the record is not a readable object"),
        ([record()], "the record is not a readable object"),
        ("not JSON", "the record is not a readable object"),
        ({}, "category is missing"),
        (record(category=5), "category is not a string"),
        ({"category": None}, "category is missing"),
        ({"category": "IndexingLogs"}, "operationName is missing"),
        (record(operationName=["IndexingFinished"]), "operationName is not a string"),
        ({"category": "IndexingLogs", "operationName": "IndexingFinished"}, "properties is missing"),
        (record(properties=5), "the record is not a readable object"),
        (record(properties="Montoya"), "the record is not a readable object"),
        (record(properties={}), "accountId is missing"),
        (record(properties=of_video(account_id=5)), "accountId is not a string"),
        (record(properties=of_video(None)), "videoId is missing"),
        (record(properties=of_video(12345)), "videoId is not a string"),
        (record(properties=of_video("")), "videoId is not a video id"),
        (record(properties=of_video("../../Montoya")), "videoId is not a video id"),
        (record(time=None), "time is missing"),
        (record(time=1772442759), "time is not a string"),
        (record(time="Montoya"), "time is not a time"),
        (record(time="2026-13-02T09:12:39Z"), "time is not a time"),
        (record(time="0001-01-01T00:00:00+14:00"), "time is not a time"),
    ],
)
def test_a_bad_record_does_not_affect_others_and_is_not_quoted(bad: object, reason: str) -> None:
    first, refused, last = read(message(record(), bad, record(properties=of_video("b"))))
    assert (job_of(first).video_id, job_of(last).video_id) == (VIDEO_ID, "b")
    assert refused == FailedRecord(reason=reason, body=json.dumps(bad).encode())


def test_a_record_that_is_not_utf_8_does_not_affect_others() -> None:
    bad = json.dumps(record()).encode().replace(b"category", b"categor\xff")
    refused, good = read(b'{"records": [' + bad + b", " + json.dumps(record()).encode() + b"]}")
    assert reason_of(refused) == "the record is not a readable object"
    assert job_of(good).video_id == VIDEO_ID


@pytest.mark.parametrize(
    ("time", "as_of"),
    [
        ("2026-03-02T09:12:39Z", AS_OF.replace(microsecond=0)),
        ("2026-03-02T10:12:39.5596929+01:00", AS_OF),
        ("2026-03-02T09:12:39.5596929", AS_OF),
    ],
)
def test_times_are_utc(time: str, as_of: datetime) -> None:
    job = job_of(one(record(time=time)))
    assert job.as_of == as_of
    assert job.as_of.utcoffset() == timedelta()


def test_a_time_in_the_far_future_is_dropped_and_the_signal_is_kept() -> None:
    assert job_of(one(record(time="2026-03-02T10:15:00Z"))).as_of is not None
    assert job_of(one(record(time="2126-03-02T09:12:39Z"))).as_of is None


def test_a_failed_record_can_be_read_again() -> None:
    refused = one(record(time=None))
    assert isinstance(refused, FailedRecord)
    assert read(refused.body) == [refused]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
BROKEN = st.fixed_dictionaries(
    {},
    optional={
        "time": st.just(TIME) | st.datetimes().map(str) | JSON,
        "category": st.just("IndexingLogs") | JSON,
        "operationName": st.just("IndexingFinished") | JSON,
        "properties": st.builds(of_video, st.just(VIDEO_ID) | JSON, st.just(ACCOUNT_ID) | JSON) | JSON,
    },
)


@given(st.binary())
def test_any_bytes_can_be_read(body: bytes) -> None:
    read(body)


@given(st.binary(), st.integers(min_value=0))
def test_a_message_with_random_changes_can_be_read(noise: bytes, place: int) -> None:
    body = message(record(), audit())
    place %= len(body)
    read(body[:place] + noise + body[place + len(noise) :])


@given(BROKEN | JSON)
def test_any_record_can_be_read_and_does_not_affect_the_next_one(broken: object) -> None:
    readings = read(message(broken, record()))
    assert job_of(readings[-1]).video_id == VIDEO_ID
    assert len(readings) == 2
    if isinstance(readings[0], Signal):
        assert jobs.decode(jobs.encode(readings[0].job).encode()) == readings[0].job

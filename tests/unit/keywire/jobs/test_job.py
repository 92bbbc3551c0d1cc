"""Extraction jobs: the messages on the queue `extraction`."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.jobs import job as jobs
from keywire.jobs.message import InvalidMessageError, NewerMessageError

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
JOB = jobs.ExtractionJob(
    video_id="12345abcde",
    job_id="j1",
    signal="callback",
    received_at=NOW,
    traceparent="00-1-2-01",
)


def test_a_job_is_decoded_as_it_was_encoded() -> None:
    assert jobs.decode(jobs.encode(JOB).encode()) == JOB


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        jobs.encode(JOB).replace("12345abcde", "../../etc").encode(),
        jobs.encode(JOB).replace('"jobVersion":1', '"jobVersion":2').encode(),
        jobs.encode(JOB).replace('"j1"', '"j1\\ncallback video=other"').encode(),
        jobs.encode(JOB).replace("Z", "").encode(),
        jobs.encode(JOB).replace("2026-03-02T09:15:00Z", "0001-01-01T00:00:00+14:00").encode(),
        jobs.encode(JOB).replace("{", '{"later":' + "[" * 10_000, 1).encode(),
        jobs.encode(JOB).replace("{", '{"later":"' + "x" * jobs.MAX_BYTES + '",', 1).encode(),
    ],
)
def test_a_message_that_is_not_a_job_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        jobs.decode(body)


@pytest.mark.parametrize("name", ["later", "further", "video_id", "", "ß", "JOBVERSION"])
def test_an_unknown_field_is_kept(name: str) -> None:
    body = {**json.loads(jobs.encode(JOB)), name: {"a": [1, None, "ß"]}}
    job = jobs.decode(json.dumps(body).encode())
    assert msgspec.structs.replace(job, further=b"") == JOB
    deferred = msgspec.structs.replace(job, attempts=1)
    assert json.loads(jobs.encode(deferred)) == body | {"attempts": 1}
    assert jobs.decode(jobs.encode(deferred).encode()) == deferred


@pytest.mark.parametrize(
    ("changed", "received_at"),
    [
        ({}, NOW),
        ({"signal": "telepathy", "jobId": 5}, NOW),
        ({"receivedAt": "yesterday"}, None),
        ({"receivedAt": "0001-01-01T00:00:00+14:00"}, None),
        ({"later": "x" * jobs.MAX_BYTES}, NOW),
    ],
)
def test_a_job_of_a_newer_version_is_recognized_even_if_malformed(
    changed: dict[str, object], received_at: datetime | None
) -> None:
    body = json.loads(jobs.encode(JOB)) | {"jobVersion": 2} | changed
    with pytest.raises(NewerMessageError) as raised:
        jobs.decode(json.dumps(body).encode())
    assert raised.value.received_at == received_at


@pytest.mark.parametrize("version", ["2", 2.5, True, None, 0, -1, [2]])
def test_a_malformed_version_is_refused(version: object) -> None:
    body = json.loads(jobs.encode(JOB)) | {"jobVersion": version}
    with pytest.raises(InvalidMessageError) as raised:
        jobs.decode(json.dumps(body).encode())
    assert not isinstance(raised.value, NewerMessageError)


@pytest.mark.parametrize(
    "body",
    [
        jobs.encode(JOB).replace("callback", "Montoya"),
        jobs.encode(JOB).replace("callback", "' - at `$.signal`Montoya"),
        jobs.encode(JOB).replace("12345abcde", "Montoya, Inigo"),
        jobs.encode(JOB).replace("2026-03-02T09:15:00Z", "Montoya"),
        '{"Montoya": 1}',
        "Montoya",
    ],
)
def test_the_reason_for_a_refusal_does_not_quote_the_message(body: str) -> None:
    with pytest.raises(InvalidMessageError) as raised:
        jobs.decode(body.encode())
    assert "Montoya" not in str(raised.value)


@given(st.binary())
def test_any_bytes_are_a_job_or_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        jobs.decode(body)

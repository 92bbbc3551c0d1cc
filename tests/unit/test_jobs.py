"""Messages on the queue `extraction`."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire import jobs

JOB = jobs.ExtractionJob(
    video_id="12345abcde",
    job_id="j1",
    signal="callback",
    received_at=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
    traceparent="00-1-2-01",
)


def test_a_job_reads_back_as_it_was_written() -> None:
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
        jobs.encode(JOB).replace("{", '{"later":1,', 1).encode(),
        jobs.encode(JOB).replace("Z", "").encode(),
    ],
)
def test_what_is_no_job_of_this_version_is_refused(body: bytes) -> None:
    with pytest.raises(jobs.InvalidJobError):
        jobs.decode(body)


@given(st.binary())
def test_no_bytes_make_it_raise_anything_else(body: bytes) -> None:
    with pytest.raises(jobs.InvalidJobError):
        jobs.decode(body)

"""Video Indexer's callback: which queries become a job, are ignored, or are refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire import ids
from keywire.jobs import job as jobs
from keywire.signals.callback import Ignored, InvalidCallbackError, read_callback

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def read(query: dict[str, str]) -> jobs.ExtractionJob | Ignored:
    return read_callback(query, job_id="j1", received_at=NOW, traceparent="00-1-2-01")


def test_a_processed_video_becomes_a_job() -> None:
    job = read({"projectName": "MyProject", "id": "12345abcde", "state": "Processed"})
    assert job == jobs.ExtractionJob(
        video_id="12345abcde", job_id="j1", signal="callback", received_at=NOW, traceparent="00-1-2-01"
    )


@pytest.mark.parametrize("state", ["Processed", "Failed", "Quarantined", "processed", "FAILED"])
def test_every_final_state_becomes_a_job(state: str) -> None:
    assert isinstance(read({"id": "a", "state": state}), jobs.ExtractionJob)


@pytest.mark.parametrize("state", ["Uploaded", "Processing", "Exploded"])
def test_any_other_state_is_ignored(state: str) -> None:
    assert read({"id": "a", "state": state}) == Ignored(video_id="a", reason="the state is not final")


def test_names_are_read_in_any_case() -> None:
    job = read({"ID": "abc", "State": "Processed"})
    assert isinstance(job, jobs.ExtractionJob)
    assert job.video_id == "abc"


def test_the_last_value_of_a_repeated_parameter_counts() -> None:
    job = read({"id": "mine,12345abcde", "state": "draft,Processed"})
    assert isinstance(job, jobs.ExtractionJob)
    assert job.video_id == "12345abcde"


def test_a_callback_for_an_identified_person_is_ignored_and_the_name_is_dropped() -> None:
    ignored = read({"id": "1234abcd", "faceid": "12", "knownPersonId": "x", "personName": "Inigo_Montoya"})
    assert ignored == Ignored(video_id="1234abcd", reason="a person was identified")


def test_a_callback_without_a_state_is_ignored() -> None:
    assert read({"id": "1234abcd"}) == Ignored(video_id="1234abcd", reason="there is no state")


def test_a_missing_id_is_an_error() -> None:
    with pytest.raises(InvalidCallbackError, match="missing"):
        read({"state": "Processed"})


@pytest.mark.parametrize("video_id", ["../x", "a b", "a/b", "a" * 65, "ä", "a\n", "a%2fb", "."])
def test_a_malformed_id_is_an_error_that_does_not_quote_it(video_id: str) -> None:
    with pytest.raises(InvalidCallbackError) as raised:
        read({"id": video_id, "state": "Processed"})
    assert str(raised.value) == "the query parameter id is not a video id"


NAMES = st.sampled_from(["id", "ID", "Id", "state", "State", "faceId", "personName", "mine"])
VALUES = st.sampled_from(["a", "Processed", "a,b", ",", "12345abcde", "../x"]) | st.text()


@given(st.dictionaries(NAMES, VALUES))
def test_a_job_from_any_query_has_a_valid_video_id(query: dict[str, str]) -> None:
    try:
        job = read(query)
    except InvalidCallbackError:
        return
    assert isinstance(job, Ignored) or ids.is_video_id(job.video_id)

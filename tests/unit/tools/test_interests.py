"""`dev.py interests`: what it prints for the author of an interests file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emulators.framework.checkout import PROJECT
from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.video_indexer import index as indexes
from tests.support.builders import index, instance, keyword
from tools import interests

SAMPLES = PROJECT / "local" / "samples"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write(
        tmp_path / "interests.json",
        {"interests": [{"id": "film", "name": "Film", "anyOf": ["movie", "cinema"], "noneOf": ["horror"]}]},
    )


def write(file: Path, content: Any) -> Path:
    file.write_text(json.dumps(content))
    return file


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_check_counts_the_interests_of_a_valid_file(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interests.main(["check", str(written)]) == 0
    assert printed(capsys) == ["1 interests, 2 terms: valid"]


def test_check_prints_a_line_for_each_problem_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(
        tmp_path / "broken.json",
        {"interests": [{"id": "a b", "name": "x", "anyOf": ["[bold]?"], "weight": 2}]},
    )
    assert interests.main(["check", str(file)]) == 1
    assert printed(capsys) == [
        "interests[0].id: must be 1 to 64 letters (A-Z, a-z), digits and the characters . _ -",
        "interests[0].weight: must be a number above 0 and at most 1",
    ]


def test_problems_beyond_the_limit_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert interests.main(["check", str(write(tmp_path / "f.json", {"interests": [5] * 120}))]) == 1
    lines = printed(capsys)
    assert (len(lines), lines[-1]) == (101, "and 20 more")


def test_a_missing_file_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert interests.main(["check", str(tmp_path / "none.json")]) == 1
    assert capsys.readouterr().err == f"interests: {tmp_path / 'none.json'}: No such file or directory\n"


BODY = index([keyword("[old] movies", instances=[instance("0:01:05", "1:00:00")]), keyword("price")])


@pytest.mark.parametrize("stored", [True, False])
def test_try_shows_the_interest_its_score_and_the_place_of_each_term(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stored: bool
) -> None:
    document = documents.build(
        read_content(indexes.parse(BODY)),
        account_id="a",
        video_id="v",
        previous=None,
        failure_message=None,
        extracted_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    file = tmp_path / "video.json"
    file.write_bytes(documents.encode(document) if stored else BODY)
    assert interests.main(["try", str(written), "--document", str(file)]) == 0
    assert printed(capsys) == [
        "Film (film): score 0.90",
        "  'movie' met '[old] movies': confidence 0.90, en-US, 1:05-60:00",
    ]


def test_try_says_that_nothing_matches(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "video.json"
    file.write_bytes(index([keyword("horror movies")]))
    assert interests.main(["try", str(written), "--document", str(file)]) == 0
    assert printed(capsys) == ["nothing matches"]


def test_try_refuses_a_file_that_is_neither_a_document_nor_an_index(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interests.main(["try", str(written), "--document", str(write(tmp_path / "x.json", [5]))]) == 1
    assert "x.json: it is not a keyword document, and the index" in capsys.readouterr().err


def test_try_refuses_an_invalid_interests_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "f.json", {})
    assert interests.main(["try", str(file), "--document", str(SAMPLES / "office-insider.json")]) == 1
    assert printed(capsys) == ["interests: is missing"]


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("england-film-festival.json", ["england-film", "england-travel"]),
        ("office-insider.json", ["microsoft"]),
        ("product-launch.json", ["laptops"]),
        ("tokyo-robotics.json", ["japan-robotics"]),
        ("energie-im-norden.json", ["energiewende"]),
        ("harbour-music.json", []),
    ],
)
def test_each_sample_matches_its_interests(
    sample: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert interests.main(["try", str(SAMPLES / "interests.json"), "--document", str(SAMPLES / sample)]) == 0
    found = [line for line in printed(capsys) if ": score " in line]
    assert [line.rpartition(" (")[2].partition(")")[0] for line in found] == expected

"""The interests file: what is read, and that everything that is wrong is told at once."""

import json
from typing import Any

import msgspec
import pytest

from keywire.interests import interest
from keywire.interests.interest import Interest, InterestsFile, InvalidInterestsError, Problem, hash_of
from keywire.interests.matching import matcher as matching

GOOD: dict[str, Any] = {"id": "film", "name": "Film", "anyOf": ["movies"]}


def file(*entries: Any, **fields: Any) -> bytes:
    return json.dumps({"interests": entries} | fields, ensure_ascii=False).encode()


def problems(body: bytes) -> dict[str, str]:
    with pytest.raises(InvalidInterestsError) as caught:
        matching.compile(body)
    return dict(caught.value.problems)


def test_an_interest_is_read_with_its_defaults() -> None:
    assert matching.compile(file(GOOD)).get("film") == Interest(id="film", name="Film", any_of=("movies",))


def test_every_field_is_read() -> None:
    entry = GOOD | {
        "allOf": ["england"],
        "noneOf": ["cricket"],
        "languages": ["en", "ja-JP", "zh-Hant-TW", "es-419"],
        "minConfidence": 0.5,
        "minSeconds": 3,
        "weight": 0.25,
        "attributes": {"campaign": {"id": 7}, "iab": ["IAB1"]},
    }
    matcher = matching.compile(b"\xef\xbb\xbf" + file(entry, GOOD | {"id": "b"}, **{"$schema": "x.json"}))
    found = matcher.get("film")
    assert found is not None
    assert json.loads(msgspec.json.encode(found)) == entry
    assert len(matcher) == 2
    assert matcher.terms == 3
    assert matcher.get("other") is None


def test_a_file_without_interests_is_fine() -> None:
    assert len(matching.compile(file())) == 0


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "", "is no JSON"),
        (b'{"interests": [', "", "is no JSON"),
        (b'{"interests":\n[,]}', "", "on line 2"),
        (b'{"interests": ' + b"[" * 100_000, "", "nested too deeply"),
        (b'{"interests": ["\\ud83d"]}', "", "half of a character"),
        (b"[]", "", "must be an object"),
        (b"{}", "interests", "is missing"),
        (b'{"interests": {}}', "interests", "must be a list"),
        (b'{"interests": [], "rules": 1}', "rules", "is no field of the file"),
        (b'{"interests": [], "$schema": 1}', "$schema", "must be a text"),
        (b'{"interests": [{"id": "\xff"}]}', "interests[0]", "not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_reason(body: bytes, path: str, reason: str) -> None:
    assert reason in problems(body)[path]


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"id": None}, ".id", "must be a text"),
        ({"id": "a b"}, ".id", "1 to 64 letters"),
        ({"id": "film\n"}, ".id", "1 to 64 letters"),
        ({"id": "x" * 65}, ".id", "1 to 64 letters"),
        ({"name": ""}, ".name", "is empty"),
        ({"name": "x" * 201}, ".name", "201 characters; 200 are allowed"),
        ({"anyOf": "movies"}, ".anyOf", "must be a list"),
        ({"anyOf": None}, ".anyOf", "must be a list"),
        ({"anyOf": []}, "", "has neither anyOf nor allOf"),
        ({"anyOf": ["movies", 5]}, ".anyOf[1]", "must be a text"),
        ({"anyOf": ["movies", "?!"]}, ".anyOf[1]", "no letter and no digit"),
        ({"noneOf": [""]}, ".noneOf[0]", "no letter and no digit"),
        ({"allOf": ["x" * 201]}, ".allOf[0]", "201 characters; 200 are allowed"),
        ({"allOf": ["字" * 33]}, ".allOf[0]", "33 words; 32 are allowed"),
        ({"noneOf": [str(n) for n in range(101)]}, ".noneOf", "101 entries; 100 are allowed"),
        ({"noneOf": ["x", "MOVIES!"]}, ".noneOf[1]", "is wanted by anyOf or allOf"),
        ({"languages": ["english"]}, ".languages[0]", "no language tag"),
        ({"languages": ["en_US"]}, ".languages[0]", "no language tag"),
        ({"languages": ["en"] * 33}, ".languages", "33 entries; 32 are allowed"),
        ({"minConfidence": 1.1}, ".minConfidence", "from 0 to 1"),
        ({"minConfidence": True}, ".minConfidence", "from 0 to 1"),
        ({"minSeconds": -1}, ".minSeconds", "of 0 or more"),
        ({"weight": 0}, ".weight", "above 0 and at most 1"),
        ({"weight": "1"}, ".weight", "above 0 and at most 1"),
        ({"attributes": []}, ".attributes", "must be an object"),
        ({"attributes": {"x": "é" * 2048}}, ".attributes", "4104 bytes of JSON; 4096 are allowed"),
        ({"anyof": ["x"]}, ".anyof", "is no field of an interest"),
    ],
)
def test_what_is_wrong_with_an_interest_is_told_with_its_place(
    change: dict[str, Any], path: str, reason: str
) -> None:
    found = problems(file(GOOD | {"id": "first"}, GOOD | change))
    assert list(found) == [f"interests[1]{path}"]
    assert reason in found[f"interests[1]{path}"]


def test_everything_is_told_at_once() -> None:
    found = problems(file({}, 5, GOOD, GOOD | {"weight": 2, "languages": ["e"]}, extra=1))
    assert list(found) == [
        "extra",
        "interests[0].id",
        "interests[0].name",
        "interests[0]",
        "interests[1]",
        "interests[3].id",
        "interests[3].languages[0]",
        "interests[3].weight",
    ]


def test_an_id_that_occurs_twice_names_the_first() -> None:
    found = problems(file(GOOD, GOOD | {"id": "b"}, GOOD | {"name": 5}))
    assert found["interests[2].id"] == "'film' is the id of interests[0] too"


def test_the_list_of_problems_ends_somewhere_and_says_how_many_there_are() -> None:
    with pytest.raises(
        InvalidInterestsError, match=r"^interests\[0\]: must be an object, and 249 more$"
    ) as error:
        matching.compile(file(*[5] * 250))
    assert len(error.value.problems) == interest.MAX_PROBLEMS
    assert error.value.omitted == 150


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keywire.interests.file.MAX_FILE_BYTES", 10)
    assert "10 are allowed" in problems(file(GOOD))[""]


def test_too_many_interests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keywire.interests.file.MAX_INTERESTS", 1)
    assert problems(file(GOOD, GOOD | {"id": "b"})) == {"interests": "has 2 entries; 1 are allowed"}


def test_the_error_says_the_first_problem() -> None:
    assert str(InvalidInterestsError([Problem("", "is no JSON")])) == "the file: is no JSON"


def test_the_hash_is_over_what_an_interest_says_and_not_over_how_it_is_written() -> None:
    plain = matching.compile(file(GOOD)).get("film")
    spelled = matching.compile(file(dict(reversed(GOOD.items())) | {"weight": 1, "noneOf": []})).get("film")
    other = matching.compile(file(GOOD | {"weight": 0.5})).get("film")
    assert plain is not None
    assert spelled is not None
    assert other is not None
    assert hash_of(plain) == hash_of(spelled) != hash_of(other)


def test_the_types_describe_the_file_as_a_json_schema() -> None:
    schema = msgspec.json.schema(InterestsFile)
    assert schema["$defs"]["Interest"]["required"] == ["id", "name"]
    assert schema["$defs"]["Interest"]["additionalProperties"] is False

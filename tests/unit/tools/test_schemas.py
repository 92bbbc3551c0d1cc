"""The JSON Schemas: they match the types and what Keywire sends, and breaking changes are found."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from keywire.documents import document as documents
from keywire.events import envelope
from tests.support.builders import index, instance, keyword
from tests.support.events import build, event_of
from tools import schemas
from tools.schema_changes import Direction, incompatibilities


def test_the_schemas_match_the_types() -> None:
    assert schemas.problems() == []


def test_an_outdated_schema_is_a_problem(tmp_path: Path) -> None:
    for name in schemas.TYPES:
        (tmp_path / f"{name}.json").write_text(schemas.encode(schemas.schema_of(name)))
    assert schemas.problems(tmp_path, tmp_path / "nothing") == []
    (tmp_path / f"{envelope.EXTRACTED}.json").write_text("{}")
    (problem,) = schemas.problems(tmp_path, tmp_path / "nothing")
    assert envelope.EXTRACTED in problem


def test_every_event_type_has_the_schema_that_its_events_name() -> None:
    assert set(envelope.TYPES) < schemas.TYPES.keys()
    for name in schemas.TYPES:
        assert schemas.schema_of(name)["$id"] == envelope.schema_of(name)


def test_documents_and_events_are_valid_by_their_schemas() -> None:
    first = build(
        index(
            [keyword("one", extra={"kept": True}), keyword("two", instances=[instance("0:00:01", "0:00:02")])]
        )
    )
    second = build(index([keyword("one")]), first)
    failed = build(index(None, state="Failed", video={"failureCode": "General"}), second)
    for document in (first, second, failed):
        jsonschema.validate(json.loads(documents.encode(document)), schemas.schema_of(schemas.DOCUMENT))
    for event in (event_of(first), event_of(second, first), event_of(failed, second)):
        jsonschema.validate(event["data"], schemas.schema_of(event["type"]))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**event["data"], "version": "one"}, schemas.schema_of(event["type"]))


OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 10},
        "score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "terms": {"type": "array", "items": {"$ref": "#/$defs/Term"}},
        "kind": {"enum": ["a", "b"]},
    },
    "required": ["id", "score"],
    "$defs": {"Term": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return `OLD` with another value at a path, or without it for None."""
    copy: dict[str, Any] = json.loads(json.dumps(OLD))
    *parents, last = path.split("/")
    place = copy
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "direction", "problem"),
    [
        ("required", ["score"], "written", "$.id is no longer promised"),
        ("properties/terms", None, "written", "$.terms is gone"),
        ("properties/id", {"type": "integer"}, "written", "$.id may be integer"),
        ("properties/id", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "written", "$.id may be null"),
        ("properties/kind", {"enum": ["a", "b", "c"]}, "written", "$.kind may be ['c']"),
        ("$defs/Term/required", [], "written", "$.terms[].text is no longer promised"),
        ("required", ["id", "score", "kind"], "read", "$.kind is now required"),
        ("properties/terms", None, "read", "$.terms is no longer allowed"),
        ("properties/score", {"type": "number"}, "read", "$.score may be null"),
        ("properties/id", {"type": "string", "maxLength": 5}, "read", "$.id: maxLength is now 5"),
        ("properties/id", {"type": "string", "maxLength": 10, "pattern": "x"}, "read", "the pattern changed"),
        ("properties/kind", {"enum": ["a"]}, "read", "$.kind may be ['b']"),
    ],
)
def test_a_breaking_change_is_found(path: str, value: Any, direction: Direction, problem: str) -> None:
    found = incompatibilities(OLD, changed(path, value), direction)
    assert any(problem in change for change in found), found


@pytest.mark.parametrize(
    ("path", "value", "direction"),
    [
        ("properties/more", {"type": "string"}, "written"),
        ("required", ["id", "score", "terms"], "written"),
        ("properties/score", {"type": "number"}, "written"),
        ("properties/score", {"type": "integer"}, "written"),
        ("properties/kind", {"enum": ["a"]}, "written"),
        ("properties/id", {"type": "string", "maxLength": 5}, "written"),
        ("properties/more", {"type": "string"}, "read"),
        ("required", ["id"], "read"),
        ("properties/id", {"type": "string"}, "read"),
        ("properties/kind", {"enum": ["a", "b", "c"]}, "read"),
    ],
)
def test_a_compatible_change_is_not_a_problem(path: str, value: Any, direction: Direction) -> None:
    assert incompatibilities(OLD, changed(path, value), direction) == []


def test_a_change_that_breaks_a_released_schema_is_a_problem(tmp_path: Path) -> None:
    for name in schemas.TYPES:
        promised = schemas.schema_of(name)
        if name == envelope.FAILED:
            promised = json.loads(json.dumps(promised))
            (definition,) = [
                found for found in promised["$defs"].values() if "failure" in found["properties"]
            ]
            definition["properties"]["reason"] = {"type": "string"}
        (tmp_path / f"{name}.json").write_text(schemas.encode(promised))
    assert schemas.problems(released=tmp_path) == [f"{envelope.FAILED}: $.reason is gone"]

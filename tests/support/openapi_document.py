"""docs/openapi.yaml: its operations, and validation with its schemas."""

from dataclasses import dataclass
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tools.openapi import FILE

DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
_URI = "urn:keywire:openapi"
_REGISTRY = Registry().with_resource(_URI, DRAFT202012.create_resource(DOCUMENT))


@dataclass(frozen=True)
class Operation:
    """An operation: a method on a path."""

    path: str
    method: str
    value: dict[str, Any]

    @property
    def needs_key(self) -> bool:
        return bool(self.value.get("security", DOCUMENT["security"]))

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.value["responses"]}

    def response(self, status: int) -> dict[str, Any]:
        return resolved(self.value["responses"][str(status)])


def operations() -> dict[str, Operation]:
    """Return the operations by id; an id is the name of a function."""
    return {
        value["operationId"]: Operation(path, method.upper(), value)
        for path, item in DOCUMENT["paths"].items()
        for method, value in item.items()
    }


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """Return the target of a reference within the document, or the value itself."""
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolved(found)


def validate(instance: Any, schema: dict[str, Any]) -> None:
    """Validate a value with a schema of the document.

    Raises:
        ValidationError: The schema does not allow the value.
    """
    # The validator resolves `#/…` against the schema, so references get the document's name.
    Draft202012Validator(_absolute(schema), registry=_REGISTRY).validate(instance)


def is_valid(instance: Any, schema: dict[str, Any]) -> bool:
    try:
        validate(instance, schema)
    except ValidationError:
        return False
    return True


def _absolute(schema: Any) -> Any:
    match schema:
        case {"$ref": str(reference), **rest}:
            return {**_absolute(rest), "$ref": f"{_URI}{reference}"}
        case dict():
            return {name: _absolute(part) for name, part in schema.items()}
        case list():
            return [_absolute(part) for part in schema]
        case _:
            return schema

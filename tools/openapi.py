"""The bodies in `docs/openapi.yaml`, which `python3 dev.py schemas` writes from the types.

Routes and answers come first in the file and are written by hand. Tests compare them with the registered
functions and with their answers.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from emulators.framework.checkout import PROJECT
from keywire.health.checks import Check, Report
from keywire.operations.backfill_orders import BackfillRequest, BackfillStatus
from keywire.operations.rematch_orders import RematchRequest, RematchStatus
from keywire.operations.rematch_start import InterestsInForce, RematchStarted
from keywire.operations.replay import ReplayRequest, ReplayResult
from keywire.signals.callback_urls import CallbackUrlRequest

FILE: Final = PROJECT / "docs" / "openapi.yaml"
TYPES: Final[tuple[type[msgspec.Struct], ...]] = (
    *(CallbackUrlRequest, BackfillRequest, BackfillStatus, RematchRequest, RematchStatus),
    *(InterestsInForce, RematchStarted, ReplayRequest, ReplayResult, Report, Check),
)
_INDENT: Final = "    "
_MARK: Final = f"{_INDENT}# Below: generated from the types by `python3 dev.py schemas`.\n"
# An entry of a docstring's `Attributes:`: names, a colon, and a text of one or more lines.
_ATTRIBUTE: Final = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {8}.*)*)", re.MULTILINE)


def components() -> dict[str, Any]:
    """Return the schema of each type by its name."""
    _, found = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    for kind in TYPES:
        _describe(found[kind.__name__], kind)
    schemas: dict[str, Any] = _portable(found)
    return schemas


def write(text: str) -> str:
    """Return the file's text with its generated part replaced.

    Raises:
        ValueError: The line before that part is missing or is there twice.
    """
    by_hand, mark, rest = text.partition(_MARK)
    if not mark or _MARK in rest:
        raise ValueError(f"docs/openapi.yaml needs this line once: {_MARK.strip()}")
    made = yaml.safe_dump(components(), sort_keys=False, allow_unicode=True, width=100)
    return by_hand + mark + textwrap.indent(made, _INDENT)


def problems(file: Path = FILE) -> list[str]:
    """Return what is wrong with the file, a sentence each."""
    text = file.read_text("utf-8")
    return (
        [] if write(text) == text else [f"{file.name} does not match the types: run `python3 dev.py schemas`"]
    )


def _describe(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Move the attributes' descriptions from the docstring to the properties."""
    summary, _, attributes = inspect.getdoc(kind).partition("\n\nAttributes:\n")  # type: ignore[union-attr]
    schema["description"] = summary
    names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    for name, text in _attributes(attributes):
        schema["properties"][names[name]]["description"] = text


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for found in _ATTRIBUTE.finditer(text):
        for name in found["names"].split(", "):
            yield name, " ".join(found["text"].split())


def _portable(schema: Any) -> Any:
    r"""Translate Python's `\A` and `\Z`: JSON Schema's patterns are ECMA-262's, which has neither."""
    match schema:
        case {"pattern": str(pattern), **rest}:
            return {**_portable(rest), "pattern": pattern.replace(r"\A", "^").replace(r"\Z", "$")}
        case Mapping():
            return {name: _portable(part) for name, part in schema.items()}
        case list():
            return [_portable(part) for part in schema]
        case _:
            return schema

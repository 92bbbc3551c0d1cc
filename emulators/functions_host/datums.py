"""The cells in which data crosses between host and worker (`TypedData` on the wire), typed for this package.

Separate because the worker's own class carries no types: this is the one place that calls it.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime.bindings.datumdef import Datum

__all__ = ["Datum", "http", "json_text", "octets", "octets_list", "string", "string_list"]


def string(value: str) -> Datum:
    """A text."""
    return _datum(value, "string")


def octets(value: bytes) -> Datum:
    """Bytes."""
    return _datum(value, "bytes")


def string_list(values: Sequence[str]) -> Datum:
    """Several texts at once."""
    return _datum(SimpleNamespace(string=list(values)), "collection_string")


def octets_list(values: Sequence[bytes]) -> Datum:
    """Several byte strings at once."""
    return _datum(SimpleNamespace(bytes=list(values)), "collection_bytes")


def json_text(value: str) -> Datum:
    """A JSON text."""
    return _datum(value, "json")


def http(value: Mapping[str, Any]) -> Datum:
    """An HTTP request: `method`, `url`, `body` are cells, `headers`, `query`, `params` mappings to cells."""
    return _datum(value, "http")


def _datum(value: object, kind: str) -> Datum:
    return Datum(value, kind)  # type: ignore[no-untyped-call]

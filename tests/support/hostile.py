"""Hostile input for property tests: what a sender, a network or an attacker can make of a valid message.

Much of it contains `MARKER`, so that a test can check that no reason and no log line quotes the input.
"""

import copy
import json
import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

# "!" is not valid in an id, so the marker can't be part of one.
MARKER = "Inigo!Montoya"

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        *("", " ", ".", "..", "../..", "..\\..", "%2e%2e%2f", "a/b", "a\nb", "a\0b", "\ud800", "\u202e", "İ"),
        *("a" * 64, "a" * 65, "x" * 70_000, "-" * 64, "\U0001f600" * 300),
        *(MARKER, f"{MARKER}\r\n{MARKER}", f"' - at `$.signal`{MARKER}", f"`{MARKER}`"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-02T09:15:00", "99999:00:00"),
        *("true", "null", "0", "1e999", "NaN", "processed", "Processed,Failed", "id,id"),
    ]
)
ODD_NUMBERS = st.sampled_from([10**30, -(10**30), 2**64, 10**400, -(10**400), -1, 0, 1e308, -0.0, 10**4299])
NUMBERS = st.integers() | st.floats() | ODD_NUMBERS


def _values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return ODD_NUMBERS | st.recursive(
        st.none() | st.booleans() | numbers | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=8,
    )


VALUES = _values(NUMBERS)
# A service may cut a character in half, but it writes only valid numbers.
JSON_VALUES = _values(NUMBERS.filter(lambda number: isinstance(number, int) or math.isfinite(number)))
DEEP = st.sampled_from([100, 1_000, 10_000, 100_000])
NOT_JSON = st.binary(max_size=200) | st.sampled_from(
    [
        *(
            b"",
            b" ",
            b"null",
            b"[]",
            b"{}",
            b'"',
            b"\xff\xfe{\0}\0",
            b"\xef\xbb\xbf{}",
            b"{}{}",
            b"\0" * 1000,
        ),
        *(text.encode() for text in (MARKER, f'{{"{MARKER}": ', f'"{MARKER}"')),
        *(b"<html>", b"x" * 70_000),
    ]
)


@st.composite
def changed(draw: st.DrawFn, *samples: Mapping[str, Any], bodies: bool = True) -> bytes:
    """A valid message with up to three changes; if `bodies` is true, perhaps also cut, overwritten or replaced."""
    message = copy.deepcopy(dict(draw(st.sampled_from(samples))))
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, message, VALUES if bodies else JSON_VALUES)
    body = json.dumps(message).encode()
    if not bodies:
        return body
    how = draw(st.sampled_from(["whole", "whole", "cut", "noise", "deep", "deep and closed", "other"]))
    place = draw(st.integers(0, max(0, len(body) - 1)))
    match how:
        case "cut":
            body = body[:place]
        case "noise":
            noise = draw(st.binary(max_size=8))
            body = body[:place] + noise + body[place + len(noise) :]
        case "deep":
            body = body[:place] + b"[" * draw(DEEP)
        case "deep and closed":
            depth = draw(DEEP)
            field = draw(st.sampled_from([MARKER, *message])).encode("utf-8", "replace")
            body = body[:-1] + b',"' + field + b'":' + b"[" * depth + b"]" * depth + b"}"
        case "other":
            body = draw(NOT_JSON)
    return body


def _change(draw: st.DrawFn, message: dict[str, Any], values: st.SearchStrategy[Any]) -> None:
    inside = [value for value in message.values() if isinstance(value, dict) and value]
    inside += [
        item
        for value in message.values()
        if isinstance(value, list)
        for item in value
        if isinstance(item, dict) and item
    ]
    where = draw(st.sampled_from([message, *inside]))
    if where is not message and draw(st.booleans()):
        _change(draw, where, values)
        return
    kind = draw(st.sampled_from(["other value", "other value", "without", "more"]))
    if kind == "more" or not where:
        where[draw(TEXTS)] = draw(values)
    elif kind == "without":
        where.pop(draw(st.sampled_from([*where])))
    else:
        where[draw(st.sampled_from([*where]))] = draw(values)

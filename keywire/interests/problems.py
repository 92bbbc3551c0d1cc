"""What is wrong with an entry of the interests file, in words for whoever edits it.

Pure. Only read where the types refused an entry: they say the first thing that is wrong, in words for a
programmer, and do it a hundred times as fast.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from keywire.interests.interest import (
    ID_PATTERN,
    LANGUAGE_PATTERN,
    MAX_ATTRIBUTES_BYTES,
    MAX_LANGUAGES,
    MAX_NAME_LENGTH,
    MAX_TERM_LENGTH,
    MAX_TERMS,
    MAX_WORDS,
    Id,
    Interest,
    Problem,
)
from keywire.interests.matching.words import folded_words

_FIELDS: Final = frozenset(Interest.__struct_encode_fields__)
_TERM_LISTS: Final = ("anyOf", "allOf", "noneOf")
_ID: Final = re.compile(ID_PATTERN)
_LANGUAGE: Final = re.compile(LANGUAGE_PATTERN)

_AT_BYTE: Final = re.compile(r"\(byte (\d+)\)")


class _Named(msgspec.Struct):
    id: Id


_NAMED: Final = msgspec.json.Decoder(_Named)

type _Reasons = Iterator[tuple[str, str]]


def problems_of(entry: bytes, path: str) -> Iterator[Problem]:
    """Everything that is wrong with the JSON of an entry; nothing, if it is an interest.

    Args:
        entry: The JSON.
        path: Where it stands: `interests[3]`.
    """
    try:
        fields = msgspec.json.decode(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield Problem(path, f"can't be read: {reason_of(error)}")
        return
    if not isinstance(fields, dict):
        yield Problem(path, "must be an object")
        return
    for name, reason in _problems(fields):
        yield Problem(f"{path}.{name}" if name else path, reason)


def id_of(entry: bytes) -> str | None:
    """The id of an entry in which something else is wrong."""
    try:
        return _NAMED.decode(entry).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def reason_of(error: Exception, body: bytes = b"") -> str:
    """What a decoder's error means, and on which line of `body` it is."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    at = _AT_BYTE.search(str(error))
    if at is None:  # half a character is what msgspec takes for the end, too
        return f"{error}, or half of a character (\\ud800 to \\udfff) stands alone"
    line = body.count(b"\n", 0, int(at[1])) + 1
    return f"{error}, on line {line}"


def _problems(fields: dict[str, Any]) -> _Reasons:
    for name in sorted(fields.keys() - _FIELDS):
        yield name, "is no field of an interest"
    yield from _text(fields, "id", _id)
    yield from _text(fields, "name", _name)
    for name in _TERM_LISTS:
        yield from _texts(fields, name, MAX_TERMS, _term)
    if fields.get("anyOf", []) == fields.get("allOf", []) == []:
        yield "", "has neither anyOf nor allOf"
    yield from _contradictions(fields)
    yield from _texts(fields, "languages", MAX_LANGUAGES, _language)
    yield from _number(fields, "minConfidence", "from 0 to 1", lambda value: 0 <= value <= 1)
    yield from _number(fields, "minSeconds", "of 0 or more", lambda value: value >= 0)
    yield from _number(fields, "weight", "above 0 and at most 1", lambda value: 0 < value <= 1)
    yield from _attributes(fields)


def _text(fields: dict[str, Any], name: str, check: Callable[[str], str | None]) -> _Reasons:
    if name not in fields:
        yield name, "is missing"
        return
    reason = check(fields[name]) if isinstance(fields[name], str) else "must be a text"
    if reason:
        yield name, reason


def _texts(fields: dict[str, Any], name: str, most: int, check: Callable[[str], str | None]) -> _Reasons:
    values = fields.get(name, [])
    if not isinstance(values, list):
        yield name, "must be a list of texts"
        return
    if len(values) > most:
        yield name, f"has {len(values)} entries; {most} are allowed"
    for position, value in enumerate(values):
        reason = check(value) if isinstance(value, str) else "must be a text"
        if reason:
            yield f"{name}[{position}]", reason


def _number(fields: dict[str, Any], name: str, bounds: str, is_within: Callable[[float], bool]) -> _Reasons:
    value = fields.get(name, 1)
    if not isinstance(value, int | float) or isinstance(value, bool) or not is_within(value):
        yield name, f"must be a number {bounds}"


def _id(value: str) -> str | None:
    return (
        None if _ID.search(value) else "must be 1 to 64 letters (A-Z, a-z), digits and the characters . _ -"
    )


def _name(value: str) -> str | None:
    if not value:
        return "is empty"
    too_long = len(value) > MAX_NAME_LENGTH
    return f"has {len(value)} characters; {MAX_NAME_LENGTH} are allowed" if too_long else None


def _language(value: str) -> str | None:
    return None if _LANGUAGE.search(value) else f"{value!r} is no language tag such as en or en-GB"


def _term(value: str) -> str | None:
    if len(value) > MAX_TERM_LENGTH:
        return f"has {len(value)} characters; {MAX_TERM_LENGTH} are allowed"
    count = len(folded_words(value))
    if count == 0:
        return f"{value!r} has no letter and no digit"
    return f"has {count} words; {MAX_WORDS} are allowed" if count > MAX_WORDS else None


def _contradictions(fields: dict[str, Any]) -> _Reasons:
    wanted = {words for name in ("anyOf", "allOf") for _, words, _ in _readable_terms(fields, name)}
    for position, words, term in _readable_terms(fields, "noneOf"):
        if words in wanted:
            yield f"noneOf[{position}]", f"{term!r} is wanted by anyOf or allOf"


def _readable_terms(fields: dict[str, Any], name: str) -> Iterator[tuple[int, tuple[str, ...], str]]:
    values = fields.get(name)
    for position, value in enumerate(values if isinstance(values, list) else ()):
        words = tuple(folded_words(value)) if isinstance(value, str) else ()
        if words:
            yield position, words, value


def _attributes(fields: dict[str, Any]) -> _Reasons:
    attributes = fields.get("attributes", {})
    if not isinstance(attributes, dict):
        yield "attributes", "must be an object"
        return
    size = len(msgspec.json.encode(attributes))
    if size > MAX_ATTRIBUTES_BYTES:
        yield "attributes", f"is {size} bytes of JSON; {MAX_ATTRIBUTES_BYTES} are allowed"

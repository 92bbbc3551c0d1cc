"""A query and its filters as parameters of the statements. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from keywire.archive.archive import Filters
from keywire.archive.moments import CONFIDENCE_UNIT
from keywire.archive.query import Query
from keywire.archive.text import storable
from keywire.archive.tokens import phrase
from keywire.interests.matching.words import primary


def of_query(query: Query | None, languages: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a query.

    Args:
        query: The query; None for all videos.
        languages: The archive's language tags: a word is searched by its forms in each of them.
    """
    subtags = sorted({subtag for language in languages if (subtag := primary(language))})
    numbered = [
        (number, term) for number, group in enumerate(query.groups if query else ()) for term in group
    ]
    return {
        "groups": [number for number, _ in numbered],
        "negated": [term.negated for _, term in numbered],
        "queries": [phrase(term.words, subtags, prefix=term.prefix) for _, term in numbered],
        "exacts": [storable(term.text) if term.exact else None for _, term in numbered],
        "exclusions": ["{}"] * len(numbered),
    }


def of_filters(filters: Filters, languages: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of filters; None for each that is not set."""
    by_video = filters.account_id or filters.external_id or filters.metadata or filters.states
    return {
        "languages": _matching(filters.languages, languages),
        "created_from": filters.created_from,
        "created_to": filters.created_to,
        "min_confidence": _scaled(filters.min_confidence, CONFIDENCE_UNIT),
        "min_milliseconds": _scaled(filters.min_seconds, 1000),
        "by_video": bool(by_video),
        "account_id": _stored(filters.account_id),
        "external_id": _stored(filters.external_id),
        "metadata": _json(filters.metadata.items()) if filters.metadata else None,
        "only": None,
        "states": [storable(state) for state in filters.states] or None,
    }


def numbers(values: Iterable[int]) -> str:
    """Return an array of numbers as PostgreSQL reads it."""
    return f"{{{','.join(map(str, values))}}}"


def texts(values: Iterable[str]) -> str:
    """Return an array of texts as PostgreSQL reads it."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return f"{{{','.join(quoted)}}}"


def _stored(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _json(fields: Iterable[tuple[str, str]]) -> str:
    return msgspec.json.encode({storable(name): storable(value) for name, value in fields}).decode()


def _scaled(value: float | None, unit: int) -> int | None:
    return None if value is None else round(value * unit)


def _matching(wanted: Sequence[str], languages: Sequence[str]) -> list[str] | None:
    """Return the archive's languages within the wanted ones, and "" for keywords without a label."""
    if not wanted:
        return None
    lowered = tuple(tag.lower() for tag in wanted)
    within = (
        language
        for language in languages
        if any(language.lower() == tag or language.lower().startswith(f"{tag}-") for tag in lowered)
    )
    return ["", *within]

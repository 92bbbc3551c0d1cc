"""List Videos and Search: the short view of a video, which of them are asked for, and pages of them.

Separate from Get Index, but made from the same index, so that both always say the same. One difference:
`created` here is when the video came to this account, because the filters and the sweeps of whoever
reconciles rely on it; Get Index keeps the file's.

Left out: Search looks for words anywhere in names, keywords and transcripts; the operators of the real
query language (`+`, `-`, `|`, quotes) are taken as part of the words, and `textScope` is ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import QueryParams

from emulators.framework.exact_json import JsonObject
from emulators.video_indexer import insights, timestamps
from emulators.video_indexer.errors import ServiceError
from emulators.video_indexer.library import Video

_PAGE_SIZE: Final = 25
_MAX_PAGE_SIZE: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    size: int
    skip: int

    @classmethod
    def asked_for(cls, query: QueryParams) -> "Page":
        """The page in a request's query; ServiceError INVALID_INPUT where it is none."""
        size = _whole_number(query, "pageSize", _PAGE_SIZE)
        skip = _whole_number(query, "skip", 0)
        if not 1 <= size <= _MAX_PAGE_SIZE:
            raise _invalid("pageSize", f"must be between 1 and {_MAX_PAGE_SIZE}")
        if skip < 0:
            raise _invalid("skip", "must not be negative")
        return cls(size, skip)

    def of[T](self, entries: Sequence[T], show: Callable[[T], JsonObject]) -> JsonObject:
        """The results, each as `show` makes it, and where the next ones begin."""
        end = self.skip + self.size
        done = end >= len(entries)
        return {
            "results": [show(entry) for entry in entries[self.skip : end]],
            "nextPage": {"pageSize": self.size, "skip": self.skip if done else end, "done": done},
        }


@dataclass(frozen=True, slots=True)
class Period:
    """From `after` (included) to `before` (not included): consecutive periods cover everything once."""

    after: float
    before: float

    @classmethod
    def asked_for(cls, query: QueryParams) -> "Period":
        """The period in a request's query. The names are meant as they say (the vendor's text swaps them)."""
        return cls(
            _moment(query, "createdAfter", float("-inf")), _moment(query, "createdBefore", float("inf"))
        )

    def holds(self, video: Video) -> bool:
        """Whether the video was created in it."""
        return self.after <= video.created < self.before


def item(video: Video, index: JsonObject) -> JsonObject:
    """The short view of `video`, whose whole index is `index`."""
    first: JsonObject = index["videos"][0] if index["videos"] else {}
    return {
        "accountId": index["accountId"],
        "id": video.id,
        "partition": index.get("partition"),
        "externalId": first.get("externalId"),
        "metadata": first.get("metadata"),
        "name": index["name"],
        "description": index.get("description"),
        "created": timestamps.written(video.created),
        "lastModified": timestamps.written(video.last_modified),
        "lastIndexed": timestamps.written(video.last_indexed),
        "privacyMode": index["privacyMode"],
        "userName": index.get("userName"),
        "isOwned": True,
        "isBase": index.get("isBase", True),
        "hasSourceVideoFile": True,
        "state": video.state,
        "moderationState": first.get("moderationState", "OK"),
        "reviewState": first.get("reviewState", "None"),
        "processingProgress": first.get("processingProgress", ""),
        "failureCode": first.get("failureCode", "None"),
        "failureMessage": first.get("failureMessage", ""),
        "durationInSeconds": index.get("durationInSeconds", 0),
        "thumbnailVideoId": video.id,
        "thumbnailId": first.get("thumbnailId"),
        "searchMatches": [],
        "indexingPreset": first.get("indexingPreset", "Default"),
        "streamingPreset": first.get("streamingPreset", "Default"),
        "sourceLanguage": first.get("sourceLanguage"),
        "sourceLanguages": first.get("sourceLanguages"),
    }


def is_listed(query: QueryParams, entry: JsonObject) -> bool:
    """Whether List Videos includes the video with this short view (the period is checked elsewhere)."""
    partitions = _values(query, "partitions")
    return not partitions or entry["partition"] in partitions


def is_found(query: QueryParams, entry: JsonObject) -> bool:
    """Whether Search includes it, apart from the text that is searched for."""
    filters = {
        "id": "id",
        "externalId": "externalId",
        "partition": "partition",
        "state": "state",
        "privacy": "privacyMode",
        "sourceLanguage": "sourceLanguage",
        "language": "sourceLanguage",
    }
    return entry["state"] == "Processed" and all(
        not (wanted := _values(query, name)) or entry[value] in wanted for name, value in filters.items()
    )


def matches(query: QueryParams, index: JsonObject) -> list[JsonObject] | None:
    """Where the words of `query` occur, or None where none does; without words everything matches."""
    words = [word.casefold() for text in query.getlist("query") for word in text.split()]
    if not words:
        return []
    found = [
        {"startTime": "0:00:00", "type": kind, "text": text, "exactText": text}
        for kind, text in insights.searchable_texts(index)
        if any(word in text.casefold() for word in words)
    ]
    return found or None


def _values(query: QueryParams, name: str) -> set[Any]:
    return {value for text in query.getlist(name) for value in text.split(",") if value}


def _whole_number(query: QueryParams, name: str, default: int) -> int:
    try:
        return int(query.get(name) or default)
    except ValueError as error:
        raise _invalid(name, "is not a number") from error


def _moment(query: QueryParams, name: str, default: float) -> float:
    text = query.get(name)
    try:
        return timestamps.read(text) if text else default
    except (ValueError, OverflowError) as error:
        raise _invalid(name, "is not a time in RFC 3339") from error


def _invalid(name: str, why: str) -> ServiceError:
    return ServiceError(400, "INVALID_INPUT", f"The parameter '{name}' {why}.")

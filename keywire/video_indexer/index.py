"""A tolerant reader for the answer to Get Video Index. It reads only the fields that Keywire uses.

The API portal's description is years old and disagrees with real answers. So no optional field is expected to be there
or to have its documented type: `keywords` may be absent or null, `sourceLanguages` is a list or an object, and unknown
fields come and go. Each keyword stays raw JSON until it is read by itself, so a broken one does not affect the others.
"""

import json
from typing import Any, Final

import msgspec

from keywire.decoding import DECODE_ERRORS, describe
from keywire.video_indexer.errors import TransientError, UnusableError
from keywire.video_indexer.timespans import parse_timespan, to_seconds


class _Insights(msgspec.Struct, rename="camel"):
    version: Any = None
    duration: Any = None
    language: Any = None
    source_language: Any = None
    source_languages: Any = None
    keywords: msgspec.Raw = msgspec.Raw(b"null")


class _Video(msgspec.Struct, rename="camel"):
    id: Any = None
    state: Any = None
    failure_code: Any = None
    failure_message: Any = None
    external_id: Any = None
    metadata: Any = None
    language: Any = None
    source_language: Any = None
    source_languages: Any = None
    indexing_preset: Any = None
    insights: msgspec.Raw = msgspec.Raw(b"null")


class _Index(msgspec.Struct, rename="camel"):
    id: Any = None
    name: Any = None
    state: Any = None
    duration: Any = None
    duration_in_seconds: Any = None
    videos: msgspec.Raw = msgspec.Raw(b"null")


class VideoInsights(msgspec.Struct, frozen=True, kw_only=True):
    """One video of an index; a project has several.

    Attributes:
        id: The video's id.
        keywords: Each keyword object as the JSON that came.
        duration_seconds: The video's length; None if the index does not have it.
        languages: The spoken languages, most important first.
    """

    id: str | None
    failure_code: str | None
    failure_message: str | None
    external_id: str | None
    metadata: str | None
    language: str | None
    languages: tuple[str, ...]
    indexing_preset: str | None
    insights_version: str | None
    duration_seconds: float | None
    keywords: tuple[msgspec.Raw, ...]


class VideoIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The index of a video, or of a project of several videos."""

    id: str | None
    name: str | None
    state: str
    duration_seconds: float | None
    videos: tuple[VideoInsights, ...]


_INDEX: Final = msgspec.json.Decoder(_Index)
_VIDEO: Final = msgspec.json.Decoder(_Video)
_INSIGHTS: Final = msgspec.json.Decoder(_Insights)
_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def parse(body: bytes) -> VideoIndex:
    """Return the index in the body of a Get Video Index answer, or in a file from the portal.

    A byte-order mark is allowed.

    Raises:
        TransientError: The body is not JSON: it was cut short, or another server than the service wrote it.
        UnusableError: The JSON is not an index, or it is nested too deeply. The retired v1 format has `breakdowns`
            instead of `videos`.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        index = _decode(body)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnusableError(f"the index is not a JSON object: {describe(error)}") from None
    except DECODE_ERRORS as error:
        raise TransientError(f"the index is not JSON: {describe(error)}") from None
    videos = _videos(index.videos)
    state = _text(index.state) or _text(videos[0].state)
    if state is None:
        raise UnusableError("the index has no state")
    duration = _seconds(index.duration)
    if duration is None:
        duration = _number(index.duration_in_seconds)
    return VideoIndex(
        id=_text(index.id),
        name=_text(index.name),
        state=state,
        duration_seconds=duration,
        videos=tuple(_insights_of(video) for video in videos),
    )


def _decode(body: bytes) -> _Index:
    try:
        return _INDEX.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _INDEX.decode(_without_lone_surrogates(body))


def _without_lone_surrogates(body: bytes) -> bytes:
    """Return the JSON with U+FFFD instead of each lone surrogate.

    .NET writes a lone surrogate when it cuts a text inside a surrogate pair. msgspec refuses it anywhere in a
    document; Python's own decoder accepts it.

    Raises:
        msgspec.DecodeError: The body is not JSON.
    """
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _videos(raw: msgspec.Raw) -> list[_Video]:
    try:
        videos = [_VIDEO.decode(item) for item in _RAW_LIST.decode(raw)]
    except DECODE_ERRORS:
        raise UnusableError("the index has no list of videos (is it in the retired v1 format?)") from None
    if not videos:
        raise UnusableError("the index has an empty list of videos")
    return videos


def _insights_of(video: _Video) -> VideoInsights:
    try:
        insights = _INSIGHTS.decode(video.insights)
    except DECODE_ERRORS:
        insights = _Insights()  # absent or null while a video is being indexed, and after a failure

    languages = (
        _texts(insights.source_languages)
        or _texts(video.source_languages)
        or _texts([insights.source_language])
        or _texts([video.source_language])
    )
    return VideoInsights(
        id=_text(video.id),
        failure_code=_text(video.failure_code),
        failure_message=_text(video.failure_message),
        external_id=_text(video.external_id),
        metadata=_text(video.metadata),
        language=_text(insights.language) or _text(video.language),
        languages=languages,
        indexing_preset=_text(video.indexing_preset),
        insights_version=_text(insights.version),
        duration_seconds=_seconds(insights.duration),
        keywords=_keywords(insights.keywords),
    )


def _keywords(raw: msgspec.Raw) -> tuple[msgspec.Raw, ...]:
    try:
        return tuple(_RAW_LIST.decode(raw))
    except DECODE_ERRORS:
        return ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):  # as the API portal describes it
        value = value.get("languages")
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str) and item)


def _number(value: Any) -> float | None:
    try:
        return float(value) if type(value) in {int, float} else None
    except OverflowError:
        return None


def _seconds(value: Any) -> float | None:
    try:
        return to_seconds(parse_timespan(value)) if isinstance(value, str) else None
    except ValueError:
        return None

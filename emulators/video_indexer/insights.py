"""From an insights file to what Get Video Index answers.

The emulator recognizes no speech: the media that it is given is a file in Get Video Index's own format,
and indexing "finds" exactly that. Separate and pure, because this is the promise that tests lean on:
everything is answered as the file has it, in its order and with fields that nobody knows, except what
belongs to this account (ids, the uploader's own values, the user name) and to this moment (the state).

Left out: `summarizedInsights` keeps the ids of the file; an unknown name in `includedInsights` is ignored;
nothing is translated. `language=` answers what the control plane has set for that language, otherwise the
same texts with the labels that the file gives them.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from emulators.framework import exact_json
from emulators.framework.exact_json import JsonObject
from emulators.video_indexer import timestamps
from emulators.video_indexer.blank import USER_NAME, nothing_found
from emulators.video_indexer.library import Given, Outcome, Video

NAME_LENGTH: Final = 80
_VIEW_TOKEN: Final = "Bearer=not-a-token-the-emulator-streams-nothing"  # noqa: S105
_LANGUAGE_LISTS: Final = frozenset({"sourcelanguages", "languages"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parts of an index are asked for; the names of insights are in lower case."""

    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    summarized: bool = True
    streaming_urls: bool = True


def parse(body: bytes) -> JsonObject | None:
    """The insights file in `body`, or None where it is anything else, such as a video."""
    try:
        value = exact_json.decode(body)
    except ValueError:
        return None
    videos = value.get("videos") if isinstance(value, dict) else None
    if not isinstance(videos, list) or not all(isinstance(video, dict) for video in videos):
        return None
    return dict(value)


def declared_outcome(index: JsonObject | None) -> Outcome:
    """How an indexing ends that finds this file: as the file says, if it says that it went wrong."""
    state = None if index is None else index.get("state")
    if state == "Failed" or state == "Quarantined":  # noqa: PLR1714 - narrows the type
        return Outcome(state)
    return Outcome("Processed")


def adopt(given: Given, media: JsonObject | None) -> Given:
    """What is said of a video for good: by the uploader, or else by its file; no re-index changes it."""
    if media is None:
        return given
    # An upload takes 80 characters at most, so the full name of a longer one can only come from the file.
    name = media.get("name")
    is_cut = isinstance(name, str) and len(name) > NAME_LENGTH and name[:NAME_LENGTH] == given.name
    inner = media["videos"][0] if len(media["videos"]) == 1 else {}
    in_file = {
        "description": media.get("description"),
        "partition": media.get("partition"),
        "external_id": inner.get("externalId"),
        "external_url": inner.get("externalUrl"),
        "metadata": inner.get("metadata"),
    }
    adopted = {
        field: value
        for field, value in in_file.items()
        if isinstance(value, str) and getattr(given, field) is None
    }
    return replace(given, name=str(name) if is_cut else given.name, **adopted)


def present(video: Video, account_id: str, now: float, language: str | None = None) -> JsonObject:
    """The whole index of `video` as it stands at `now` (Unix seconds)."""
    index = _source(video, language)
    given, videos = video.given, index["videos"]
    is_single = len(videos) == 1 and index.get("isBase") is not False
    root = dict(index)
    root.setdefault("created", timestamps.written(video.created))
    root |= {"accountId": account_id, "id": video.id, "state": video.state}
    root |= _said(description=given.description, partition=given.partition, privacyMode=given.privacy)
    root["name"] = given.name
    root.setdefault("privacyMode", "Private")
    if "userName" in index:
        root["userName"] = USER_NAME
    if is_single:
        root["videos"] = [_single_video(video, account_id, now, videos[0])]
        root |= _renamed_ranges(index, videos[0].get("id"), video.id)
    else:
        root["videos"] = [{**inner, "accountId": account_id} for inner in videos]
    return root


def select(index: JsonObject, selection: Selection, location: str) -> JsonObject:
    """The parts of `index` that a request asks for."""
    root = {**index, "videos": [_selected_video(video, selection, location) for video in index["videos"]]}
    if not selection.summarized and "summarizedInsights" in root:
        root["summarizedInsights"] = None
    return root


def keywords_of(index: JsonObject | None) -> list[Any]:
    """The keywords in an index of one or several videos."""
    videos = [] if index is None else index["videos"]
    return [keyword for video in videos for keyword in (video.get("insights") or {}).get("keywords") or ()]


def searchable_texts(index: JsonObject) -> list[tuple[str, str]]:
    """What a search looks through: the kind of match, in the service's terms, and the text."""
    texts = [("Title", str(index.get("name") or ""))]
    for video in index["videos"]:
        insights = video.get("insights") or {}
        for kind, name in (("Transcript", "transcript"), ("Annotations", "keywords")):
            texts += [(kind, str(line.get("text") or "")) for line in insights.get(name) or ()]
    return texts


def _source(video: Video, language: str | None) -> JsonObject:
    if language is not None and video.state == "Processed":
        translation = video.translations.get(language.casefold())
        if translation is not None:
            return translation
    return nothing_found(video) if video.found is None else video.found


def _single_video(video: Video, account_id: str, now: float, found: JsonObject) -> JsonObject:
    given = video.given
    single = {**found, "accountId": account_id, "id": video.id, "state": video.state}
    single |= _said(
        externalId=given.external_id,
        externalUrl=given.external_url,
        metadata=given.metadata,
        privacyMode=given.privacy,
    )
    if video.failure is not None:
        single["failureCode"] = video.failure.failure_code or "General"
        single["failureMessage"] = video.failure.failure_message or ""
    if video.is_indexing:
        single["processingProgress"] = video.progress(now)
    return single


def _selected_video(video: JsonObject, selection: Selection, location: str) -> JsonObject:
    selected = dict(video)
    if isinstance(video.get("insights"), dict):
        selected["insights"] = {
            name: value
            for name, value in video["insights"].items()
            if not isinstance(value, list) or _is_wanted(name.lower(), selection)
        }
    if selection.streaming_urls:
        owner = f"{location}/Accounts/{video.get('accountId')}/Videos/{video.get('id')}"
        selected["publishedUrl"] = f"https://streaming.invalid/{owner}/streaming-manifest/manifest.m3u8"
        selected["publishedProxyUrl"] = None
        selected["viewToken"] = _VIEW_TOKEN
    else:
        for name in ("publishedUrl", "publishedProxyUrl", "viewToken"):
            selected.pop(name, None)
    return selected


def _is_wanted(name: str, selection: Selection) -> bool:
    if name in _LANGUAGE_LISTS:  # lists, but not insights
        return True
    return name not in selection.excluded and (not selection.included or name in selection.included)


def _renamed_ranges(index: JsonObject, old_id: Any, new_id: str) -> JsonObject:
    ranges = index.get("videosRanges")
    if not isinstance(ranges, list):
        return {}
    renamed = [
        {**part, "videoId": new_id} if isinstance(part, dict) and part.get("videoId") == old_id else part
        for part in ranges
    ]
    return {"videosRanges": renamed}


def _said(**values: str | None) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}

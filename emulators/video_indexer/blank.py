"""The index of a video in which nothing was found: still being indexed, failed, or no insights file at all.

Separate from `insights`, which fills in what belongs to the account. The shape is that of a real index of
a silent video; the service leaves out the lists of insights that would be empty.
"""

from typing import Final

from emulators.framework.exact_json import JsonObject
from emulators.video_indexer.library import Video

USER_NAME: Final = "Emulated User"
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


def nothing_found(video: Video) -> JsonObject:
    """An index without insights, and without the ids that belong to the account."""
    given = video.given
    language = given.language or "en-US"
    languages = {
        "sourceLanguage": language,
        "sourceLanguages": [language],
        "language": language,
        "languages": [language],
    }
    return {
        "partition": None,
        "description": None,
        "privacyMode": "Private",
        "name": given.name,
        "userName": USER_NAME,
        "isOwned": True,
        "isEditable": True,
        "isBase": True,
        "durationInSeconds": 0,
        "duration": "0:00:00",
        "summarizedInsights": None,
        "videos": [
            {
                "moderationState": "OK",
                "reviewState": "None",
                "privacyMode": "Private",
                "processingProgress": "100%" if video.state == "Processed" else "",
                "failureMessage": "",
                "externalId": None,
                "externalUrl": None,
                "metadata": None,
                "insights": {"version": "1.0.0.0", "duration": "0:00:00", **languages},
                "thumbnailId": _NO_ID,
                "detectSourceLanguage": False,
                "languageAutoDetectMode": "None",
                **languages,
                "indexingPreset": given.indexing_preset or "Default",
                "streamingPreset": given.streaming_preset or "Default",
                "linguisticModelId": _NO_ID,
                "personModelId": _NO_ID,
                "isAdult": False,
            }
        ],
        "videosRanges": [{"videoId": None, "range": {"start": "0:00:00", "end": "0:00:00"}}],
    }

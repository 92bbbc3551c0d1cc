"""Ids that appear in URLs, blob paths and log lines, and their limits."""

import re
import uuid
from typing import Annotated, Final

import msgspec

VIDEO_ID_PATTERN: Final = r"\A[A-Za-z0-9_-]{1,64}\Z"
MAX_REFERENCE: Final = 256

VideoId = Annotated[str, msgspec.Meta(pattern=VIDEO_ID_PATTERN)]
# Log lines contain it.
JobId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
OperationId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
# What the uploader calls the video.
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REFERENCE)]

_VIDEO_ID: Final = re.compile(VIDEO_ID_PATTERN)
_OPERATION_ID: Final = re.compile(r"[0-9a-f]{32}")


def is_video_id(text: str) -> bool:
    """Return whether `text` has the form of a video id, safe in a URL and a blob path."""
    return _VIDEO_ID.match(text) is not None


def is_operation_id(text: str) -> bool:
    """Return whether `text` has the form of an operation's id, safe in a blob path."""
    return _OPERATION_ID.fullmatch(text) is not None


def new_job_id() -> str:
    """Return a new id for a job."""
    return uuid.uuid4().hex

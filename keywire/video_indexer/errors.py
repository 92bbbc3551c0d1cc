"""What can go wrong when Video Indexer is asked, by what to do about it.

    VideoIndexerError
    ├── NotReadyError        the video is still being indexed: ask again later
    ├── ThrottledError       too many requests: wait `retry_after` seconds
    ├── TransientError       the service or the network failed: try again
    ├── GoneError            the video was removed
    ├── MisconfiguredError   an operator must grant or correct something
    └── UnusableError        the answer can't be used: record it and stop

Errors arrive in three shapes: Video Indexer's `{ErrorType, Message}`, Azure Resource Manager's
`{error: {code, message}}` and the API gateway's `{statusCode, message}`. The type decides, the status
only where there is no type: a 400 can mean "still indexing" (VIDEO_INDEXING_IN_PROGRESS).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keywire.decoding import DECODE_ERRORS

DEFAULT_RETRY_AFTER_SECONDS: Final = 30.0
# The account's quota is per minute. A longer wait is nobody's intention, and would stop every instance.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0

_NOT_READY: Final = frozenset({"VIDEO_INDEXING_IN_PROGRESS", "VIDEO_INDEX_UPDATE_IN_PROGRESS"})
VIDEO_REMOVED: Final = "VIDEO_REMOVED"
_GONE: Final = frozenset(
    {VIDEO_REMOVED, "SOURCE_VIDEO_DELETED", "VIDEO_NOT_FOUND", "BREAKDOWN_NOT_FOUND", "NOT_FOUND"}
)
_MISCONFIGURED: Final = frozenset(
    {
        "ACCOUNT_NOT_FOUND",
        "ARM_ACCOUNT_MUST_BE_MANAGED_BY_ARM",
        "AUTHORIZATIONFAILED",
        "FORBIDDEN",
        "LOCATION_NOT_FOUND",
        "RESOURCEGROUPNOTFOUND",
        "RESOURCENOTFOUND",
        "SUBSCRIPTIONNOTFOUND",
        "USER_NOT_ALLOWED",
    }
)
_UNUSABLE: Final = frozenset({"INVALID_INPUT", "UNSUPPORTED"})
_WAIT: Final = re.compile(r"try again in (\d+) second", re.IGNORECASE)
# Anything else in its place was not written by the service, and has no place in a log.
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class VideoIndexerError(Exception):
    """An answer, or the lack of one, that is no index.

    Attributes:
        status: The HTTP status, or None where there was no answer.
        code: Video Indexer's ErrorType or Azure Resource Manager's code, or "".
        request_id: The service's own id of the request, for Microsoft's support, or "".
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class NotReadyError(VideoIndexerError):
    """The video is still being indexed."""


class ThrottledError(VideoIndexerError):
    """Too many requests, or none make sense at present.

    Attributes:
        retry_after: The wait that the service asks for, in seconds.
        because: What an operator has to mend first; empty where it was just too many.
    """

    retry_after: float = DEFAULT_RETRY_AFTER_SECONDS
    because: str = ""


class TransientError(VideoIndexerError):
    """The service or the way to it failed."""


class GoneError(VideoIndexerError):
    """The video was removed, or never was."""


class MisconfiguredError(VideoIndexerError):
    """Access or addresses are wrong, until somebody corrects them."""


class UnusableError(VideoIndexerError):
    """The answer can't be used and asking again would not change that."""


def from_response(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> VideoIndexerError:
    """Classify an answer that is no success.

    Args:
        operation: What was asked, for the message.
        status: The HTTP status.
        headers: The headers of the answer, with case-insensitive names.
        body: Its body, of any of the three shapes or none.
    """
    code, message = read_error(body)
    request_id = headers.get("x-ms-request-id", "")
    kind = _kind(status, code.upper())
    said = f"{status} {code}".rstrip()
    error = kind(f"{operation} was answered with {said}", status=status, code=code, request_id=request_id)
    if isinstance(error, ThrottledError):
        error.retry_after = _retry_after(headers.get("retry-after"), message)
    return error


def _kind(status: int, code: str) -> type[VideoIndexerError]:
    for codes, kind in (
        (_NOT_READY, NotReadyError),
        (_GONE, GoneError),
        (_MISCONFIGURED, MisconfiguredError),
        (_UNUSABLE, UnusableError),
    ):
        if code in codes:
            return kind
    if status == 429:
        return ThrottledError
    if status in {401, 403}:
        return MisconfiguredError
    if status in {408, 409, 424} or status >= 500:
        return TransientError
    # A 404 without the service's own type may come from a wrong address: it proves nothing about the video.
    return TransientError if status == 404 else UnusableError


def read_error(body: bytes) -> tuple[str, str]:
    """The type and the message of an error body of any of the three shapes; ("", "") for anything else."""
    try:
        payload: Any = msgspec.json.decode(body)
    except DECODE_ERRORS:
        return "", ""
    if not isinstance(payload, dict):
        return "", ""
    inner = payload.get("error")
    if isinstance(inner, dict):
        payload = inner
    code = payload.get("ErrorType") or payload.get("code")
    message = payload.get("Message") or payload.get("message")
    known = isinstance(code, str) and _CODE.fullmatch(code)
    return (code if known else ""), (message if isinstance(message, str) else "")


def _retry_after(header: str | None, message: str) -> float:
    if header is not None and header.strip().isdecimal():
        return min(float(header), MAX_RETRY_AFTER_SECONDS)
    match = _WAIT.search(message)
    return min(float(match[1]), MAX_RETRY_AFTER_SECONDS) if match else DEFAULT_RETRY_AFTER_SECONDS

"""Errors of requests to Video Indexer, by what the caller does about them.

    VideoIndexerError
    ├── NotReadyError        the video is still being indexed: retry later
    ├── ThrottledError       too many requests: retry after `retry_after` seconds
    ├── TransientError       the service or the network failed: retry
    ├── GoneError            the video was removed
    ├── MisconfiguredError   an operator must grant or correct something
    └── UnusableError        the answer cannot be used: record it and stop

An error body has one of three shapes: Video Indexer's `{ErrorType, Message}`, Azure Resource Manager's
`{error: {code, message}}` or the API gateway's `{statusCode, message}`. The type decides; the status decides only if
there is no type. A 400, for example, can mean "still indexing" (VIDEO_INDEXING_IN_PROGRESS).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keywire.decoding import DECODE_ERRORS

DEFAULT_RETRY_AFTER_SECONDS: Final = 30.0
# The account's quota is per minute, so a longer wait must be a mistake; it would stop every instance.
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
# The service's own types look like this; anything else is not logged.
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class VideoIndexerError(Exception):
    """A request without a usable answer.

    Attributes:
        status: The HTTP status; None if there was no answer.
        code: Video Indexer's ErrorType, or Azure Resource Manager's code, or "".
        request_id: The service's id of the request, for Microsoft's support, or "".
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
    """The rate limit is reached, or the gate is tripped.

    Attributes:
        retry_after: When to retry, in seconds from now.
        reason: What an operator has to correct first; empty if there were too many requests.
    """

    retry_after: float = DEFAULT_RETRY_AFTER_SECONDS
    reason: str = ""


class TransientError(VideoIndexerError):
    """The service or the network failed."""


class GoneError(VideoIndexerError):
    """The video was removed, or it never existed."""


class MisconfiguredError(VideoIndexerError):
    """A role is missing or an address is wrong, until an operator corrects it."""


class UnusableError(VideoIndexerError):
    """The answer cannot be used, and a retry would bring the same answer."""


def from_response(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> VideoIndexerError:
    """Return the error for an answer without success.

    Args:
        operation: The API operation's name, for the message.
        status: The HTTP status.
        headers: The headers of the answer, with case-insensitive names.
        body: Its body, in one of the three shapes or anything else.
    """
    code, message = read_error(body)
    request_id = headers.get("x-ms-request-id", "")
    kind = _kind(status, code.upper())
    answer = f"{status} {code}".rstrip()
    error = kind(f"{operation} was answered with {answer}", status=status, code=code, request_id=request_id)
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
    # A 404 without a type may come from a wrong address, so it does not prove that the video was removed.
    return TransientError if status == 404 else UnusableError


def read_error(body: bytes) -> tuple[str, str]:
    """Return the type and the message of an error body in one of the three shapes; ("", "") for anything else."""
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

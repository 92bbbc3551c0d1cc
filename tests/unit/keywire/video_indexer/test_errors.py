"""Errors of Video Indexer, Azure Resource Manager and the API gateway, and how they are classified."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    TransientError,
    UnusableError,
    VideoIndexerError,
    from_response,
)


def classify(status: int, body: object = None, headers: dict[str, str] | None = None) -> VideoIndexerError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_response("GetVideoIndex", status, httpx.Headers(headers or {}), content)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"ErrorType": "VIDEO_INDEXING_IN_PROGRESS", "Message": "m"}, NotReadyError),
        (409, {"ErrorType": "VIDEO_INDEX_UPDATE_IN_PROGRESS", "Message": "m"}, NotReadyError),
        (400, {"ErrorType": "VIDEO_REMOVED", "Message": "m"}, GoneError),
        (404, {"ErrorType": "BREAKDOWN_NOT_FOUND", "Message": "m"}, GoneError),
        (400, {"ErrorType": "VIDEO_NOT_FOUND", "Message": "Video not found"}, GoneError),
        (400, {"ErrorType": "INVALID_INPUT", "Message": "m"}, UnusableError),
        (401, {"ErrorType": "ACCESS_TOKEN_EXPIRED", "Message": "m"}, MisconfiguredError),
        (401, {"ErrorType": "USER_NOT_ALLOWED", "Message": "m"}, MisconfiguredError),
        (403, {"error": {"code": "AuthorizationFailed", "message": "m"}}, MisconfiguredError),
        (404, {"error": {"code": "ResourceNotFound", "message": "m"}}, MisconfiguredError),
        (404, {"ErrorType": "ACCOUNT_NOT_FOUND", "Message": "m"}, MisconfiguredError),
        (404, b"<html>not found</html>", TransientError),
        (
            429,
            {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 17 seconds."},
            ThrottledError,
        ),
        (400, b"", UnusableError),
        (403, b"", MisconfiguredError),
        (408, b"", TransientError),
        (409, b"", TransientError),
        (424, b"", TransientError),
        (500, {"ErrorType": "GENERAL", "Message": "m"}, TransientError),
        (502, b"", TransientError),
        (503, b"\xff\xfe", TransientError),
        (504, {"ErrorType": "SERVER_TIMEOUT", "Message": "m"}, TransientError),
        (418, [], UnusableError),
    ],
)
def test_the_error_type_decides_and_the_status_only_without_a_type(
    status: int, body: object, kind: type[VideoIndexerError]
) -> None:
    error = classify(status, body)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "7"}, "Try again in 17 seconds.", 7),
        ({}, "Rate limit is exceeded. Try again in 17 seconds.", 17),
        ({"Retry-After": "soon"}, "Slow down.", 30),
    ],
)
def test_retry_after_comes_from_the_header_or_else_from_the_message(
    headers: dict[str, str], message: str, seconds: float
) -> None:
    error = classify(429, {"statusCode": 429, "message": message}, headers)
    assert isinstance(error, ThrottledError)
    assert error.retry_after == seconds


def test_the_services_message_is_not_part_of_the_error() -> None:
    error = classify(400, {"ErrorType": "INVALID_INPUT", "Message": "secret"}, {"x-ms-request-id": "r1"})
    assert "secret" not in str(error)
    assert (error.code, error.request_id) == ("INVALID_INPUT", "r1")


@given(st.integers(300, 599), st.binary())
def test_any_body_can_be_classified(status: int, body: bytes) -> None:
    assert isinstance(classify(status, body), VideoIndexerError)

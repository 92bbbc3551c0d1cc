"""Rematches as data: what an operator asks for, the pages on the queue `rematch`, and how far one is.

Separate from what does them, so that an HTTP process reads orders without loading what only a page needs.
"""

from typing import Annotated, Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, describe
from keywire.ids import OperationId

# Each page's message repeats the request, and in a poison message it must be whole.
MAX_REQUEST_BYTES: Final = 28 * 1024

InterestId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class InvalidRematchError(ValueError):
    """What was asked for, or what lies on the queue, is no rematch; the message says why."""


class RematchRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operator asks for.

    Attributes:
        interests: The ids to look at, also of interests that are no longer there; None for all.
        dry_run: Only count what would be sent.
    """

    interests: Annotated[tuple[InterestId, ...], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    dry_run: bool = False


class RematchPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One message: a page of a rematch; `marker` is where storage goes on listing."""

    operation_id: OperationId
    request: RematchRequest
    traceparent: str | None
    page: Annotated[int, msgspec.Meta(ge=1, le=999_999)] = 1
    marker: str | None = None
    message_version: Literal[1] = 1


class PageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a page came to; `last` when there was no further one."""

    documents: int
    matched: int
    withdrawn: int
    last: bool


class RematchStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a rematch is."""

    operation_id: str
    dry_run: bool
    pages: int
    documents: int
    matched: int
    withdrawn: int
    done: bool


_REQUEST: Final = msgspec.json.Decoder(RematchRequest)
_PAGE: Final = msgspec.json.Decoder(RematchPage)


def read_request(body: bytes) -> RematchRequest:
    """Read the body of a request; an empty one asks for everything.

    Raises:
        InvalidRematchError: It is something else, or too long for a message.
    """
    try:
        request = _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidRematchError(f"not a rematch: {error}") from None
    if len(msgspec.json.encode(request)) > MAX_REQUEST_BYTES:
        raise InvalidRematchError("not a rematch: too many interests for one; leave them out to mean all")
    return request


def read_page(body: bytes) -> RematchPage:
    """Read a queue message.

    Raises:
        InvalidRematchError: It is no page of this version.
    """
    try:
        return _PAGE.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidRematchError(f"not a page of a rematch: {describe(error)}") from None

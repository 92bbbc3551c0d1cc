"""Rematches as data: the operator's request, the pages on the queue `rematch`, and the progress. Pure."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe, message_version
from keywire.ids import OperationId, VideoId
from keywire.jobs.message import MESSAGE_VERSION, Deferrable, InvalidMessageError, NewerMessageError, begun_at

# Each page's message repeats the request, and in a poison message it must be whole.
MAX_REQUEST_BYTES: Final = 28 * 1024

InterestId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class InvalidRematchError(ValueError):
    """A request that is not a rematch; the message gives the reason."""


class RematchRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request for a rematch.

    Attributes:
        interests: The ids of the interests to match, also of interests that were removed; None for all.
        dry_run: Count the events, and send none.
    """

    interests: Annotated[tuple[InterestId, ...], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    dry_run: bool = False


class RematchPage(Deferrable, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One message: a page of a rematch.

    Attributes:
        operation_id: The rematch.
        request: What the operator asked for.
        traceparent: W3C trace context of the request.
        page: Its number: 1, 2, ...
        marker: Where storage continues the listing.
        interests_stamp: The stamp of the interests that were in force when the rematch was ordered, if known.
        videos: A sweep's page: only these videos. It belongs to no order.
        ordered_at: When the operator ordered it (UTC).
        message_version: The version of this message.
    """

    operation_id: OperationId
    request: RematchRequest
    traceparent: str | None
    page: Annotated[int, msgspec.Meta(ge=1, le=999_999)] = 1
    marker: str | None = None
    interests_stamp: str | None = None
    videos: tuple[VideoId, ...] | None = None
    ordered_at: Moment | None = None
    message_version: Literal[1] = MESSAGE_VERSION

    @property
    def number(self) -> int:
        """The page's number."""
        return self.page


class PageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a page.

    Attributes:
        documents: How many documents were matched.
        matched, withdrawn: How many events of each kind were sent, or would be.
        last: Whether there is no further page.
        interests_stamp: The stamp of the interests that were used; None in a result of version 0.1.
    """

    documents: int
    matched: int
    withdrawn: int
    last: bool
    interests_stamp: str | None = None


class RematchStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The progress of a rematch."""

    operation_id: str
    dry_run: bool
    pages: int
    documents: int
    matched: int
    withdrawn: int
    done: bool


def status_of(first: RematchPage, results: Sequence[PageResult]) -> RematchStatus:
    """Return the progress of a rematch, from its first page and the results so far."""
    return RematchStatus(
        operation_id=first.operation_id,
        dry_run=first.request.dry_run,
        pages=len(results),
        documents=sum(result.documents for result in results),
        matched=sum(result.matched for result in results),
        withdrawn=sum(result.withdrawn for result in results),
        done=any(result.last for result in results),
    )


_REQUEST: Final = msgspec.json.Decoder(RematchRequest)
_PAGE: Final = msgspec.json.Decoder(RematchPage)


def read_request(body: bytes) -> RematchRequest:
    """Return the request in a body; an empty body asks for all interests.

    Raises:
        InvalidRematchError: The body is not a request for a rematch, or it is too long for a message.
    """
    try:
        request = _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidRematchError(f"not a rematch: {error}") from None
    if len(msgspec.json.encode(request)) > MAX_REQUEST_BYTES:
        raise InvalidRematchError("not a rematch: too many interests; omit `interests` to match all")
    return request


def decode_page(body: bytes) -> RematchPage:
    """Return the page in a queue message.

    Raises:
        NewerMessageError: The message is a page of a newer version.
        InvalidMessageError: The message is not a page of a rematch.
    """
    try:
        if message_version(body) > MESSAGE_VERSION:
            raise NewerMessageError(
                "a page of a rematch of a version that is newer than this app", begun_at(body)
            )
        return _PAGE.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidMessageError(f"not a page of a rematch: {describe(error)}") from None

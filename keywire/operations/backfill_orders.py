"""Backfills as data: the operator's request, the pages on the queue `backfill-pages`, and the progress. Pure."""

from collections.abc import Sequence
from datetime import UTC
from functools import reduce
from operator import add
from typing import Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe, message_version
from keywire.ids import OperationId
from keywire.jobs.message import MESSAGE_VERSION, Deferrable, InvalidMessageError, NewerMessageError, begun_at
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import Cursor
from keywire.video_indexer.period import Period


class InvalidBackfillError(ValueError):
    """A request that is not a backfill; the message gives the reason."""


class BackfillRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request for a backfill.

    Attributes:
        created_from, created_to: Videos created from `created_from` to before `created_to`; None is no limit.
        dry_run: Count the jobs, and queue none.
    """

    created_from: Moment | None = msgspec.field(name="from", default=None)
    created_to: Moment | None = msgspec.field(name="to", default=None)
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse a period that is empty or that UTC cannot represent."""
        if self.created_from and self.created_to and self.created_from >= self.created_to:
            raise ValueError("`from` is not before `to`")
        try:
            for moment in (self.created_from, self.created_to):
                _ = moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("`from` or `to` is out of range") from None

    @property
    def period(self) -> Period:
        """The creation times of the videos that the backfill covers."""
        return Period(after=self.created_from, before=self.created_to)


class BackfillPage(Deferrable, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One message: the page of a backfill that begins at `cursor`."""

    operation_id: OperationId
    request: BackfillRequest
    traceparent: str | None
    cursor: Cursor = Cursor()
    ordered_at: Moment | None = None
    message_version: Literal[1] = MESSAGE_VERSION

    @property
    def number(self) -> int:
        """The page's number: 1, 2, ..."""
        return self.cursor.pages + 1


class PageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a page; `last` if there is no further one."""

    counts: Counts
    last: bool


class BackfillStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The progress of a backfill; `found` counts the videos that were queued, or would be."""

    operation_id: str
    dry_run: bool
    pages: int
    listed: int
    unreadable: int
    found: int
    missing: int
    unpublished: int
    outdated: int
    done: bool


def status_of(first: BackfillPage, results: Sequence[PageResult]) -> BackfillStatus:
    """Return the progress of a backfill, from its first page and the results so far."""
    counts = reduce(add, (result.counts for result in results), Counts())
    return BackfillStatus(
        operation_id=first.operation_id,
        dry_run=first.request.dry_run,
        pages=len(results),
        listed=counts.listed,
        unreadable=counts.unreadable,
        found=counts.found,
        missing=counts.missing,
        unpublished=counts.unpublished,
        outdated=counts.outdated,
        done=any(result.last for result in results),
    )


_REQUEST: Final = msgspec.json.Decoder(BackfillRequest)
_PAGE: Final = msgspec.json.Decoder(BackfillPage)


def read_request(body: bytes) -> BackfillRequest:
    """Return the request in a body; an empty body asks for all videos.

    Raises:
        InvalidBackfillError: The body is not a request for a backfill.
    """
    try:
        return _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidBackfillError(f"not a backfill: {error}") from None


def decode_page(body: bytes) -> BackfillPage:
    """Return the page in a queue message.

    Raises:
        NewerMessageError: The message is a page of a newer version.
        InvalidMessageError: The message is not a page of a backfill.
    """
    try:
        if message_version(body) > MESSAGE_VERSION:
            raise NewerMessageError(
                "a page of a backfill of a version that is newer than this app", begun_at(body)
            )
        return _PAGE.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidMessageError(f"not a page of a backfill: {describe(error)}") from None

"""Backfills as data: what an operator asks for, the pages on the queue `backfill-pages`, and how far one is.

Separate from what does them, so that an HTTP process reads orders without loading what only a page needs.
"""

from datetime import UTC
from typing import Final, Literal

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe
from keywire.ids import OperationId
from keywire.reconciliation.counts import Counts
from keywire.reconciliation.cursor import Cursor
from keywire.video_indexer.period import Period


class InvalidBackfillError(ValueError):
    """What was asked for, or what lies on the queue, is no backfill; the message says why."""


class BackfillRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operator asks for.

    Attributes:
        created_from, created_to: When the videos were created that are meant; None: no limit.
        dry_run: Only count what would be queued.
    """

    created_from: Moment | None = msgspec.field(name="from", default=None)
    created_to: Moment | None = msgspec.field(name="to", default=None)
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse a period that holds nothing, and one that UTC has no words for."""
        if self.created_from and self.created_to and self.created_from >= self.created_to:
            raise ValueError("`from` is not before `to`")
        try:
            for moment in (self.created_from, self.created_to):
                _ = moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("`from` or `to` is out of range") from None

    @property
    def period(self) -> Period:
        """When the videos were created that are meant."""
        return Period(after=self.created_from, before=self.created_to)


class BackfillPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One message: a page of a backfill, which begins at `cursor`."""

    operation_id: OperationId
    request: BackfillRequest
    traceparent: str | None
    cursor: Cursor = Cursor()
    message_version: Literal[1] = 1


class PageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a page came to; `last` when there was no further one."""

    counts: Counts
    last: bool


class BackfillStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a backfill is; `found` are the videos that were queued, or would be."""

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


_REQUEST: Final = msgspec.json.Decoder(BackfillRequest)
_PAGE: Final = msgspec.json.Decoder(BackfillPage)


def read_request(body: bytes) -> BackfillRequest:
    """Read the body of a request; an empty one asks for everything.

    Raises:
        InvalidBackfillError: It is something else.
    """
    try:
        return _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidBackfillError(f"not a backfill: {error}") from None


def read_page(body: bytes) -> BackfillPage:
    """Read a queue message.

    Raises:
        InvalidBackfillError: It is no page of this version.
    """
    try:
        return _PAGE.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidBackfillError(f"not a page of a backfill: {describe(error)}") from None

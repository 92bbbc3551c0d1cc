"""Cursors: where a page of results ends, as text that a client gives back. Pure.

A cursor names the last result by its sort key and id (keyset pagination). Rows that are added or removed meanwhile move
no other row to another page.
"""

import base64
import hashlib
from typing import Final

import msgspec

_PRINT_BYTES: Final = 8


class InvalidCursorError(ValueError):
    """A cursor that is not of this query: start again without one."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last result of a page.

    Attributes:
        search: What it belongs to, see `print_of`.
        key: The sort key.
        video: The video's id in the archive.
    """

    search: str
    key: int
    video: int


def print_of(*parts: object) -> str:
    """Return a short hash of a query, its filters and its order."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=_PRINT_BYTES).hexdigest()


def encode(cursor: Cursor) -> str:
    """Return the cursor as text that is safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def decode(text: str, search: str) -> Cursor:
    """Read a cursor.

    Raises:
        InvalidCursorError: It is not a cursor, or one of another search.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Cursor)
    except (ValueError, msgspec.DecodeError):
        raise InvalidCursorError("not a cursor: use the cursor of the page before as it is") from None
    in_range = all(-(2**63) <= number < 2**63 for number in (cursor.key, cursor.video))
    if cursor.search != search or not in_range:
        raise InvalidCursorError("the cursor is of another query, filter or order: start without one")
    return cursor

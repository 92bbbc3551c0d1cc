"""Messages on work queues: what jobs, pages of operations and deliveries have in common.

While a new version is rolled out, and after a roll-back, a message may meet an instance that is older than its sender.
Two rules hold for every kind of message:

- A new field that an older instance can do without keeps the message's version.
- Everything else gets a new version. An older instance leaves such a message to a newer one.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment

MESSAGE_VERSION: Final = 1


class InvalidMessageError(ValueError):
    """A queue message that this version does not understand; the error gives the reason and never quotes it."""


class NewerMessageError(InvalidMessageError):
    """A queue message of a newer version.

    Attributes:
        received_at: When its signal or order came (UTC); None if the message does not say it.
    """

    def __init__(self, message: str, received_at: datetime | None = None) -> None:
        super().__init__(message)
        self.received_at = received_at


class Deferrable(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields by which a deferred message remembers its failures.

    Attributes:
        attempts: How often the message was deferred; a rate limit does not count.
        not_found: How often in a row Video Indexer did not find the video.
        first_failed_at: When the first failure of this chain was (UTC): the message's age counts from here.
        last_error: Why it was deferred last.
    """

    attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    not_found: Annotated[int, msgspec.Meta(ge=0)] = 0
    first_failed_at: Moment | None = None
    last_error: str | None = None


class _Begun(msgspec.Struct, rename="camel"):
    received_at: Moment | None = None
    ordered_at: Moment | None = None
    sent_at: Moment | None = None


_BEGUN: Final = msgspec.json.Decoder(_Begun)


def begun_at(body: bytes | str) -> datetime | None:
    """Return when a message of any kind and version was first sent (UTC); None if it does not say that."""
    try:
        begun = _BEGUN.decode(body)
        moment = begun.received_at or begun.ordered_at or begun.sent_at
        return moment.astimezone(UTC) if moment else None
    except (*DECODE_ERRORS, OverflowError):
        return None


def without_failures[M: Deferrable](message: M) -> M:
    """Return a message without the failures that it remembers, to be sent as a new one."""
    return msgspec.structs.replace(message, attempts=0, not_found=0, first_failed_at=None, last_error=None)

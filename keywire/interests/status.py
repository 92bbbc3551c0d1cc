"""The state of the interests file, noted in `control/` for the health check and for sweeps.

An HTTP process reads the note and does not load what reads and compiles the file.
"""

from datetime import datetime

import msgspec


class InterestStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The state of the interests file.

    Attributes:
        etag: The ETag of the file that was read; None if there was none.
        interests: How many interests are in force, from this file or from the last good one.
        problem: What is wrong with the file; None if nothing is.
        read_at: When it was read (UTC).
        stamp: The stamp of the interests in force; None in a note of version 0.1.
        modified_at: When the file in force was written, on storage's clock (UTC); None if that is not known.
    """

    etag: str | None
    interests: int
    problem: str | None
    read_at: datetime
    stamp: str | None = None
    modified_at: datetime | None = None


class FullRematch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last full rematch that was completed.

    Attributes:
        interests_stamp: The stamp of the interests that its last page used.
        at: When it was completed (UTC).
    """

    interests_stamp: str
    at: datetime

"""What came of reading the file of interests, noted for whoever asks how Keywire is.

Apart from what reads and compiles the file, which an HTTP process must not load.
"""

from datetime import datetime

import msgspec


class InterestStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the interests are.

    Attributes:
        etag: Of the file that was read; None where there was none.
        interests: How many are in force, from this file or from the last good one.
        problem: What is wrong with the file; None where nothing is.
        read_at: When it was read (UTC).
    """

    etag: str | None
    interests: int
    problem: str | None
    read_at: datetime

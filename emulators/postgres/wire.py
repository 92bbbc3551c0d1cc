"""The few messages of PostgreSQL's protocol (version 3) that come before a query. Pure.

From "Message Formats" in PostgreSQL's documentation: a message of the start has a length and a body; every later one
has a kind before them. The length includes itself.
"""

import struct
from typing import Final

SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102
MAX_STARTUP_BYTES: Final = 10_000  # PostgreSQL's own limit
MAX_PASSWORD_BYTES: Final = 65_536

# SQLSTATE codes.
SIGN_IN_FAILED: Final = "28P01"
INVALID_AUTHORIZATION: Final = "28000"
CANNOT_CONNECT_NOW: Final = "57P03"

ASK_CLEARTEXT_PASSWORD: Final = b"R" + struct.pack("!II", 8, 3)


def code_of(body: bytes) -> int:
    """Return the protocol version or the request code of a start-up message."""
    return int.from_bytes(body[:4])


def parameters(body: bytes) -> dict[str, str]:
    """Return the parameters of a start-up message: `user`, `database`, and others."""
    words = body[4:].split(b"\0")
    return {
        name.decode(errors="replace"): value.decode(errors="replace")
        for name, value in zip(words[::2], words[1::2], strict=False)
        if name
    }


def startup(body: bytes) -> bytes:
    """Return a start-up message with this body."""
    return struct.pack("!I", len(body) + 4) + body


def fatal(code: str, message: str) -> bytes:
    """Return an ErrorResponse that ends the connection."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!I", len(fields) + 4) + fields

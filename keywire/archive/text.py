"""Text that PostgreSQL can store, and ids that need no sequence. Pure.

JSON can hold characters that PostgreSQL cannot: NUL and unpaired surrogates. Both become U+FFFD.
"""

import hashlib
from typing import Final

REPLACEMENT: Final = "\ufffd"


def storable(text: str) -> str:
    """Return `text` with U+FFFD in place of each character that PostgreSQL refuses."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= each <= "\udfff" else each for each in text)
    return text


def key_of(*parts: str) -> int:
    """Return a signed 64-bit hash of `parts`.

    Writers need no look-up and no coordination, and a rebuild gives the same ids.
    """
    joined = "\0".join(parts).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), signed=True)

"""What comes from outside and can't be read: how that shows, and how it is said without repeating any of it.

Reasons end up in logs and in alerts; what was sent may hold a token, a person's name or a whole book.
"""

import re
from typing import Final

import msgspec

# Invalid JSON and wrong types, invalid UTF-8, and brackets nested by the thousand.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)

# Of msgspec's reasons these two repeat what came; where in the message it stood may be said.
_REPEATED: Final = re.compile(
    r"(?P<what>Invalid enum value|Object contains unknown field) .*?(?P<where> - at `\$[A-Za-z.\[\]]*`)?\Z",
    re.DOTALL,
)


class _Version(msgspec.Struct, rename="camel"):
    job_version: object = None
    message_version: object = None


_VERSION: Final = msgspec.json.Decoder(_Version)


def why(error: Exception) -> str:
    """What is wrong, one of `UNREADABLE`, in words that hold nothing of the message."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return _REPEATED.sub(lambda found: f"{found['what']}{found['where'] or ''}", str(error))


def version_of(body: bytes | str) -> int:
    """The version that a queue message says it has (`jobVersion`, `messageVersion`), 1 where it says none.

    Raises:
        msgspec.DecodeError, UnicodeError, RecursionError: It is no JSON object.
    """
    said = _VERSION.decode(body)
    versions = [version for version in (said.job_version, said.message_version) if type(version) is int]
    return max(versions, default=1)

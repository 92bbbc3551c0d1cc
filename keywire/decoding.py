"""Decode input from outside: which errors that raises, and how to describe one without quoting the input.

Reasons go to logs and alerts; the input may hold a token, a person's name or a whole book.
"""

import re
from datetime import datetime
from typing import Annotated, Final

import msgspec

# Invalid JSON and wrong types, invalid UTF-8, and deeply nested brackets.
DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)

# A time with a time zone.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

# These two of msgspec's messages quote the input; the position in the message is kept.
_QUOTING: Final = re.compile(
    r"(?P<what>Invalid enum value|Object contains unknown field) .*?(?P<where> - at `\$[A-Za-z.\[\]]*`)?\Z",
    re.DOTALL,
)


class _Version(msgspec.Struct, rename="camel"):
    job_version: object = None
    message_version: object = None


_VERSION: Final = msgspec.json.Decoder(_Version)


def describe(error: Exception) -> str:
    """Describe one of `DECODE_ERRORS` without quoting the input."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return _QUOTING.sub(lambda found: f"{found['what']}{found['where'] or ''}", str(error))


def message_version(body: bytes | str) -> int:
    """Return the version of a queue message (`jobVersion` or `messageVersion`); 1 if it names none.

    Raises:
        msgspec.DecodeError, UnicodeError, RecursionError: The message is not a JSON object.
    """
    said = _VERSION.decode(body)
    versions = [version for version in (said.job_version, said.message_version) if type(version) is int]
    return max(versions, default=1)

"""The keys that open HTTP functions and `/admin`.

The host takes the key from the header `x-functions-key`, else from the query parameter `code`. The master key
opens everything, a function key what asks for level FUNCTION. One function key stands for all of them here;
the real host knows keys for each function besides. A key that isn't configured opens nothing.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from emulators.functions_host.bindings import AuthLevel

HEADER = "x-functions-key"
PARAMETER = "code"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a host; never in its repr."""

    function: str = field(default="", repr=False)
    master: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The keys in `FUNCTIONS_HOST_FUNCTION_KEY` and `FUNCTIONS_HOST_MASTER_KEY`."""
        return cls(
            environment.get("FUNCTIONS_HOST_FUNCTION_KEY", ""),
            environment.get("FUNCTIONS_HOST_MASTER_KEY", ""),
        )

    def open(self, level: AuthLevel, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether a request with these headers (lower case) and query parameters reaches `level`."""
        if level is AuthLevel.ANONYMOUS:
            return True
        presented = headers.get(HEADER) or query.get(PARAMETER, "")
        if _same(presented, self.master):
            return True
        return level is AuthLevel.FUNCTION and _same(presented, self.function)


def _same(presented: str, key: str) -> bool:
    return bool(key) and secrets.compare_digest(presented.encode(), key.encode())

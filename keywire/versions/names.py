"""Names of a video's files in history. Pure.

    000002-1a2b3c4d5e6f.json                    version 2: its number, and the first 12 digits of its content hash
    e000005-0f1e2d3c4b5a.events.ndjson          events of edition 5: the first 12 digits of the SHA-256 of the file
    e000005-0f1e2d3c4b5a.active.json            the matches that hold after a rematch's edition, named likewise

Version 0.1 wrote a version's events beside it, and those of its rematches:

    000002-1a2b3c4d5e6f.events.ndjson
    000002-1a2b3c4d5e6f.rematch-0001.events.ndjson
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

EVENTS: Final = ".events.ndjson"
ACTIVE: Final = ".active.json"

_HASH_DIGITS: Final = 12
_VERSION: Final = re.compile(r"(?P<number>\d{6,})-(?P<hash>[0-9a-f]{12})\.json")
_LIST: Final = re.compile(
    r"e(?P<edition>\d{6,})-[0-9a-f]{12}\.events\.ndjson"
    r"|(?P<version>\d{6,})-[0-9a-f]{12}(\.rematch-(?P<rematch>\d{4,}))?\.events\.ndjson"
)


@dataclass(frozen=True, order=True)
class VersionName:
    """A version: its number and the beginning of its content hash."""

    number: int
    hash_prefix: str


def version_name(number: int, content_hash: str) -> str:
    """Return the name of a version's file."""
    return f"{number:06d}-{content_hash[:_HASH_DIGITS]}.json"


def edition_name(number: int, body: bytes, suffix: str) -> str:
    """Return the name of an edition's file, which its content decides."""
    return f"e{number:06d}-{hashlib.sha256(body).hexdigest()[:_HASH_DIGITS]}{suffix}"


@dataclass(frozen=True)
class HistoryNames:
    """The names of all files of a video in history, without their folder."""

    names: tuple[str, ...]

    @property
    def highest_number(self) -> int:
        """The highest number in any name; 0 without any. An edition after it has a sequence that is not used yet."""
        return max(map(_number, self.names), default=0)

    @property
    def highest_version(self) -> int:
        """The number of the newest version; 0 without any."""
        return max((version.number for version in self.versions), default=0)

    @property
    def versions(self) -> list[VersionName]:
        """The versions, the newest first."""
        found = (_VERSION.fullmatch(name) for name in self.names)
        return sorted(
            (VersionName(int(each["number"]), each["hash"]) for each in found if each), reverse=True
        )

    @property
    def lists(self) -> list[str]:
        """The event lists, the oldest first."""
        return sorted((name for name in self.names if _LIST.fullmatch(name)), key=_list_order)


def _number(name: str) -> int:
    if found := _LIST.fullmatch(name):
        return max(int(digits) for digits in found.group("edition", "version", "rematch") if digits)
    found = _VERSION.fullmatch(name)
    return int(found["number"]) if found else 0


def _list_order(name: str) -> tuple[int, int, int]:
    """Editions came after everything that version 0.1 wrote, except for what it wrote after a roll-back."""
    found = _LIST.fullmatch(name)
    assert found is not None
    if found["edition"]:
        return int(found["edition"]), 1, 0
    return int(found["version"]), 0, int(found["rematch"] or 0)

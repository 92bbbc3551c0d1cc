"""The counts of a sweep or a backfill: listed videos, and findings by reason."""

from collections import Counter
from collections.abc import Iterable

import msgspec


class Counts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Counts that add up over pages.

    Attributes:
        listed: Videos that were compared, in any state.
        unreadable: Entries of the list that could not be read.
        missing, unpublished, outdated, unlisted: Findings, by `Reason`.
    """

    listed: int = 0
    unreadable: int = 0
    missing: int = 0
    unpublished: int = 0
    outdated: int = 0
    unlisted: int = 0

    @property
    def found(self) -> int:
        """The number of findings for any reason."""
        return self.missing + self.unpublished + self.outdated + self.unlisted

    def __add__(self, other: "Counts") -> "Counts":
        mine, others = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return Counts(**{name: count + others[name] for name, count in mine.items()})

    @staticmethod
    def of(reasons: Iterable[str]) -> "Counts":
        """Count findings by their reasons."""
        return Counts(**Counter(reasons))

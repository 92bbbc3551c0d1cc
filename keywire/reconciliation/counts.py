"""What a sweep came to, in numbers. Separate, so that who only tells of sweeps loads nothing else of them."""

from collections import Counter
from collections.abc import Iterable

import msgspec


class Counts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a sweep came to.

    Attributes:
        listed: The videos that were compared, in any state.
        unreadable: Entries of the list that can't be read.
        missing, unpublished, outdated, unlisted: What was found, by `Reason`.
    """

    listed: int = 0
    unreadable: int = 0
    missing: int = 0
    unpublished: int = 0
    outdated: int = 0
    unlisted: int = 0

    @property
    def found(self) -> int:
        """All that was found."""
        return self.missing + self.unpublished + self.outdated + self.unlisted

    def __add__(self, other: "Counts") -> "Counts":
        mine, others = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return Counts(**{name: count + others[name] for name, count in mine.items()})

    @staticmethod
    def of(reasons: Iterable[str]) -> "Counts":
        """Of findings for these reasons."""
        return Counts(**Counter(reasons))

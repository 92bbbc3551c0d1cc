"""A period of creation times: what a backfill or a sweep covers."""

from datetime import datetime

import msgspec


class Period(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Creation times from `after` (included) to `before` (not included); None is no limit."""

    after: datetime | None = None
    before: datetime | None = None

    def contains(self, created: datetime | None) -> bool:
        """Return whether a video is in the period; a video of unknown creation time always is."""
        if created is None:
            return True
        return (self.after is None or self.after <= created) and (
            self.before is None or created < self.before
        )

"""A period of creation, as an operator gives it and as the list is asked for it."""

from datetime import datetime

import msgspec


class Period(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When videos were created: from `after` (included) to `before` (not included); None: no limit."""

    after: datetime | None = None
    before: datetime | None = None

    def holds(self, created: datetime | None) -> bool:
        """Whether a video of this creation is meant; one that doesn't say when it was made always is."""
        if created is None:
            return True
        return (self.after is None or self.after <= created) and (
            self.before is None or created < self.before
        )

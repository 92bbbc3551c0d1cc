"""A cursor over a list that changes while it is paged through. Pure.

Positions count from the start of the list. A new video moves all others back, so the next page repeats some. A removed
video moves all others forward, so the next page would miss some. Each page therefore overlaps with the one before and
should show one of its last videos again. If it does not, more videos were removed than the overlap covers, and the
cursor steps back. Steps back and pages are limited, so a sweep always ends; the next sweep finds what this one missed.
"""

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    from keywire.video_indexer.listing import ListedVideo, ListPage

OVERLAP: Final = 20
STEP_BACK: Final = 500
MAX_STEPS_BACK: Final = 20
MAX_PAGES: Final = 10_000


# A message with negative counts would never reach the limits above.
Count = Annotated[int, msgspec.Meta(ge=0)]


class Cursor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The position of the next page.

    Attributes:
        skip: Its start, from the start of the list.
        pages: The number of pages before it.
        tail: The last videos of the page before, one of which it should show again.
        steps_back: How many times the cursor stepped back so far.
    """

    skip: Count = 0
    pages: Count = 0
    tail: tuple[str, ...] = ()
    steps_back: Count = 0

    def new(self, page: "ListPage") -> "list[ListedVideo]":
        """Return the videos of the page at this position, without those of the tail, each once."""
        fresh = {video.id: video for video in page.videos}
        for video_id in self.tail:
            fresh.pop(video_id, None)
        return list(fresh.values())

    def after(self, page: "ListPage") -> "Cursor | None":
        """Return the position after the page at this one; None at the end."""
        pages = self.pages + 1
        if pages >= MAX_PAGES:
            return None
        if self._has_gap(page):
            return Cursor(
                skip=max(0, self.skip - STEP_BACK),
                pages=pages,
                tail=self.tail,
                steps_back=self.steps_back + 1,
            )
        if page.next_skip is None:
            return None
        # At least half of a page is new, even if the service's pages are small.
        overlap = min(OVERLAP, (page.next_skip - self.skip) // 2)
        tail = tuple(video.id for video in page.videos[-overlap:]) if overlap else ()
        return Cursor(skip=page.next_skip - overlap, pages=pages, tail=tail, steps_back=self.steps_back)

    def _has_gap(self, page: "ListPage") -> bool:
        """Return whether videos between the page before and this one may not have been shown."""
        if not self.tail or self.skip == 0 or self.steps_back >= MAX_STEPS_BACK:
            return False
        return not any(video.id in self.tail for video in page.videos)

"""Paging over a list that changes meanwhile. Pure: where to go on after a page.

Places are counted from the list's start, and videos come and go. New ones push the rest on: the next page
begins with what was seen. Removed ones pull the rest back: what was next has slipped past the page's start.
So each page begins a few places before the last one's end, and should show a video from there again; where
it doesn't, more was removed than that, and the way goes back. How often is bounded, as is the number of
pages: a sweep always ends, and the next one finds what this one might have missed.
"""

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    from keywire.video_indexer.listing import ListedVideo, ListPage

OVERLAP: Final = 20
STEP_BACK: Final = 500
MAX_STEPS_BACK: Final = 20
MAX_PAGES: Final = 10_000


# From below zero the bounds above would never be reached.
Count = Annotated[int, msgspec.Meta(ge=0)]


class Cursor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the next page begins.

    Attributes:
        skip: Its place in the list.
        pages: How many came before.
        tail: The last videos of the page before, which it should show again.
        steps_back: How often a page didn't, so far.
    """

    skip: Count = 0
    pages: Count = 0
    tail: tuple[str, ...] = ()
    steps_back: Count = 0

    def new(self, page: "ListPage") -> "list[ListedVideo]":
        """The videos of the page that begins here, without those of the tail, each once."""
        fresh = {video.id: video for video in page.videos}
        for video_id in self.tail:
            fresh.pop(video_id, None)
        return list(fresh.values())

    def after(self, page: "ListPage") -> "Cursor | None":
        """Where to go on after the page that begins here; None at the end."""
        pages = self.pages + 1
        if pages >= MAX_PAGES:
            return None
        if self._has_slipped(page):
            return Cursor(
                skip=max(0, self.skip - STEP_BACK),
                pages=pages,
                tail=self.tail,
                steps_back=self.steps_back + 1,
            )
        if page.next_skip is None:
            return None
        # Half a page at least is new, however small the service's pages are.
        overlap = min(OVERLAP, (page.next_skip - self.skip) // 2)
        tail = tuple(video.id for video in page.videos[-overlap:]) if overlap else ()
        return Cursor(skip=page.next_skip - overlap, pages=pages, tail=tail, steps_back=self.steps_back)

    def _has_slipped(self, page: "ListPage") -> bool:
        if not self.tail or self.skip == 0 or self.steps_back >= MAX_STEPS_BACK:
            return False
        return not any(video.id in self.tail for video in page.videos)

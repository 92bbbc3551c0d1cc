"""Rematch: stored documents against the interests of today, without asking Video Indexer.

A page of documents is a message's work, and the next page a message of its own: an account of any size, in
steps that may fail and be done again. What is new of a video is appended to its version as a further list
of events, in an order that survives a crash at any point:

1. read the current document, and send what is unsent of its version;
2. compare the interests that match it now with the matches in force; nothing new: end;
3. write the new events as the version's next list, unless another rematch has that number;
4. mark the document, against the ETag of step 1: who writes a version meanwhile starts again, and so does
   this one when it comes second;
5. send the stored events; 6. mark their list as sent.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from keywire.documents import document as documents
from keywire.documents.content import REMOVED_STATE
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.envelope import Origin
from keywire.events.interests import ActiveMatch, is_same
from keywire.extraction.extraction import MAX_ROUNDS, Extraction
from keywire.interests.matching.matcher import Match, Matcher
from keywire.versions import outbox
from keywire.versions.outbox import Told
from keywire.versions.store import ConflictError, EventList, Stored

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a rematch did, or would do."""

    documents: int = 0
    matched: int = 0
    withdrawn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            documents=self.documents + other.documents,
            matched=self.matched + other.matched,
            withdrawn=self.withdrawn + other.withdrawn,
        )


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A list that was written, and of which version."""

    version: int
    event_list: EventList


@dataclass(frozen=True, kw_only=True)
class Rematch:
    """The use case; documents, destinations and interests are those of extraction."""

    extraction: Extraction

    async def rematch(
        self, video_id: str, *, only: Collection[str] | None, dry_run: bool, traceparent: str | None
    ) -> Counts:
        """Match one video's document again.

        Args:
            video_id: The video.
            only: The ids of the interests to look at; None for all.
            dry_run: Only count.
            traceparent: W3C trace context of the request.

        Raises:
            ConflictError: Others kept changing the document.
            azure.core.exceptions.AzureError: Storage failed; it can be done again.
        """
        matcher = await self.extraction.interests.matcher()
        written: list[_Written] = []
        for _ in range(MAX_ROUNDS):
            try:
                current = await self.extraction.published(video_id)
                written = await self._clear(written, current)
                if current is None or current.document.state == REMOVED_STATE:
                    return Counts()
                return await self._rematch(
                    current, matcher, only, written, dry_run=dry_run, traceparent=traceparent
                )
            except ConflictError:
                logger.info("video=%s changed meanwhile, matching again", video_id)
        raise ConflictError(f"video {video_id} was changed by others {MAX_ROUNDS} times in a row")

    async def _rematch(
        self,
        current: Stored,
        matcher: Matcher,
        only: Collection[str] | None,
        lists: list[_Written],
        *,
        dry_run: bool,
        traceparent: str | None,
    ) -> Counts:
        document, store = current.document, self.extraction.store
        told = await outbox.told_of(store, self.extraction.destinations, document)
        matches = [match for match in matcher.match(document) if only is None or match.interest.id in only]
        before = {name: held for name, held in told.active.items() if only is None or name in only}
        new = [match for match in matches if not is_same(match, before.get(match.interest.id))]
        gone = {name: before[name] for name in before.keys() - {match.interest.id for match in matches}}
        counts = Counts(documents=1, matched=len(new), withdrawn=len(gone))
        if dry_run or not (new or gone):
            return counts
        built = await self._events(document, told, new, gone, traceparent)
        written = await store.create_rematch(document, len(told.lists), envelope.join(built))
        lists.append(_Written(version=document.version, event_list=written))
        await self.extraction.touch(current)
        await outbox.sent(store, self.extraction.destinations, written)
        logger.info(
            "video=%s version=%d rematched matched=%d withdrawn=%d",
            document.video_id,
            document.version,
            counts.matched,
            counts.withdrawn,
        )
        return counts

    async def _clear(self, written: list[_Written], current: Stored | None) -> list[_Written]:
        """Take away lists that nobody has sent and that come too late: their version is the past.

        What they say was not known to who wrote the next version, so it could never be withdrawn.
        """
        late = [each for each in written if current is None or each.version < current.document.version]
        for each in late:
            await self.extraction.store.remove_list(each.event_list)
        return [each for each in written if each not in late]

    async def _events(
        self,
        document: KeywordDocument,
        told: Told,
        new: Sequence[Match],
        gone: dict[str, ActiveMatch],
        traceparent: str | None,
    ) -> tuple[bytes, ...]:
        origin = Origin(
            source=self.extraction.event_source,
            body=documents.encode(document),
            url=self.extraction.store.version_url(document),
            traceparent=traceparent,
        )
        return envelope.interest_events_of(document, origin, matches=new, before=gone, told=told.event_ids)

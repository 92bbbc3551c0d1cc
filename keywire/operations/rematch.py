"""Rematch: match a stored document with the interests in force, without asking Video Indexer."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from keywire.documents.content import REMOVED_STATE
from keywire.interests.source import InForce, InterestSource
from keywire.storage.swap import ConflictError
from keywire.versions.current import Current
from keywire.versions.outbox import Outbox
from keywire.video_indexer.errors import TransientError

MAX_ROUNDS: Final = 20

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a rematch told, or would tell."""

    documents: int = 0
    matched: int = 0
    withdrawn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add two counts."""
        return Counts(
            documents=self.documents + other.documents,
            matched=self.matched + other.matched,
            withdrawn=self.withdrawn + other.withdrawn,
        )


@dataclass(frozen=True, kw_only=True)
class Rematch:
    """The use case.

    Attributes:
        outbox: Where documents are, and where editions go.
        interests: What customers care about.
    """

    outbox: Outbox
    interests: InterestSource

    async def rematch(
        self,
        video_id: str,
        in_force: InForce,
        *,
        only: Collection[str] | None,
        dry_run: bool,
        traceparent: str | None,
    ) -> Counts:
        """Match one video's document again.

        Args:
            video_id: The video.
            in_force: The interests, as the page looked them up.
            only: The ids of the interests to look at; None for all.
            dry_run: Only count; nothing is written or sent.
            traceparent: W3C trace context of the request.

        Raises:
            TransientError: Other jobs kept changing the document.
            azure.core.exceptions.AzureError: Storage failed; it can be done again.
        """
        for _ in range(MAX_ROUNDS):
            try:
                current = await self._read(video_id, dry_run=dry_run)
                if current is None or current.document.state == REMOVED_STATE:
                    return Counts()
                in_force = await self._not_older(in_force, current)
                changes = await self.outbox.changes(current, in_force, only)
                if not dry_run:
                    await self.outbox.add_rematch(
                        current, changes, in_force, full=only is None, traceparent=traceparent
                    )
            except ConflictError:
                logger.info("video=%s lost a race, matching again", video_id)
                continue
            counts = Counts(documents=1, matched=len(changes.matched), withdrawn=len(changes.ended))
            if not dry_run and (changes.matched or changes.ended):
                logger.info(
                    "video=%s edition=%d rematched matched=%d withdrawn=%d",
                    video_id,
                    changes.base.number,
                    counts.matched,
                    counts.withdrawn,
                )
            return counts
        raise TransientError(f"video {video_id} was changed by other jobs {MAX_ROUNDS} times in a row")

    async def _read(self, video_id: str, *, dry_run: bool) -> Current | None:
        if dry_run:
            return await self.outbox.documents.read(video_id)
        return await self.outbox.read(video_id)

    async def _not_older(self, in_force: InForce, current: Current) -> InForce:
        """Return the interests, looked up again if the document was matched after this page's look."""
        matched = current.status.matched
        if matched is None or matched.interests == in_force.stamp or matched.at < in_force.checked_at:
            return in_force
        return await self.interests.current()

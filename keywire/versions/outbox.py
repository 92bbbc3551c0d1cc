"""Transactional outbox: everything that consumers are told about a video is a numbered edition of it.

An edition is a new version, or a rematch of the same version that found something new. It is written in an order that
survives a crash at any point, and any number of writers at once:

1. write the edition's event list to history; its content decides its name;
2. swap the current document, with metadata that names the list, against the ETag that was read before: of several
   writers one wins, and the others start again;
3. send the bytes of the list to every destination's queue;
4. note in the metadata that the edition was sent.

A list that no metadata names is never sent. An edition is sent before the next one is written, so at most one is
unsent, and `read` sends it first. Retry, resume and replay send the stored bytes.

A document without an edition in its metadata was written by version 0.1, lost its metadata, or was lost itself. Its
next edition *restates*: it matches every interest again, and withdraws each one that any stored list ever matched and
that does not match now. Its number is higher than every number in the names of the video's history.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from keywire.destinations.destinations import Destinations
from keywire.destinations.event_batch import EventBatch
from keywire.documents import document as documents
from keywire.documents.content import FAILED_STATES, REMOVED_STATE
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.envelope import Origin
from keywire.events.interests import ActiveMatch, active_matches, ended_matches, ever_matched, is_same
from keywire.interests.matching.matcher import Match
from keywire.interests.source import InForce, InterestSource
from keywire.storage.swap import ConflictError
from keywire.versions.current import Current, CurrentDocuments
from keywire.versions.history import History
from keywire.versions.names import ACTIVE, HistoryNames
from keywire.versions.status import Edition, Matched, PublicationStatus

logger: Final = logging.getLogger(__name__)


class ActiveRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a rematch leaves behind: the matches that hold, and how the version was told.

    Attributes:
        version: The document's version.
        lists: The event lists of the version's editions, the oldest first.
        matches: The matches that hold, by interest id.
    """

    version: int
    lists: tuple[str, ...]
    matches: dict[str, ActiveMatch]


_RECORD: Final = msgspec.json.Decoder(ActiveRecord)


@dataclass(frozen=True, kw_only=True)
class Base:
    """What an edition is built on.

    Attributes:
        number: The new edition's number.
        active: The matches that consumers hold, or may hold, by interest id.
        restates: Whether consumers may have missed something, so that the edition has to say everything.
        next_version: The number of the next version.
        newest: The newest version in history, if the current document is missing.
    """

    number: int
    active: Mapping[str, ActiveMatch]
    restates: bool
    next_version: int
    newest: KeywordDocument | None = None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a rematch would tell.

    Attributes:
        base: What it is built on.
        matched: The matches that are new or changed.
        ended: The matches that no longer hold, by interest id.
    """

    base: Base
    matched: Sequence[Match]
    ended: Mapping[str, ActiveMatch]


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Writes and sends editions.

    Attributes:
        documents: The current documents.
        history: Versions and event lists.
        destinations: Where editions are sent.
        interests: What customers care about.
        event_source: The `source` of every event: the Video Indexer account's ARM resource id.
        clock: The time now (UTC).
    """

    documents: CurrentDocuments
    history: History
    destinations: Destinations
    interests: InterestSource
    event_source: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def read(self, video_id: str) -> Current | None:
        """Return the current document, everything about it sent; None if there is none.

        Raises:
            ConflictError: Another job changed the document meanwhile.
            azure.core.exceptions.AzureError: Storage failed.
        """
        current = await self.documents.read(video_id)
        if current is None or current.status.is_published:
            return current
        if current.status.edition is None:
            return await self._restate(current)
        return await self._send(current, await self._events(current))

    async def base(self, video_id: str, current: Current | None) -> Base:
        """Return what the video's next edition is built on.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        if current is not None and current.status.edition is not None:
            return Base(
                number=current.status.edition.number + 1,
                active=await self.active(current),
                restates=False,
                next_version=current.document.version + 1,
            )
        names = await self.history.names(video_id)
        told = [event for name in names.lists for event in await self.history.read_events(video_id, name)]
        return Base(
            number=names.highest_number + 1,
            active=ever_matched(told),
            restates=bool(names.names),
            next_version=max(names.highest_version, current.document.version if current else 0) + 1,
            newest=await self._newest_version(video_id, names) if current is None else None,
        )

    async def active(self, current: Current) -> dict[str, ActiveMatch]:
        """Return the matches that hold, by interest id, of a document with an edition.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        edition, video_id = current.status.edition, current.document.video_id
        if edition is None or edition.active is None:
            return {}
        if not edition.active.endswith(ACTIVE):
            return active_matches(await self.history.read_events(video_id, edition.active))
        body = await self.history.read(video_id, edition.active)
        return _RECORD.decode(body).matches if body else {}

    async def add_version(
        self,
        document: KeywordDocument,
        current: Current | None,
        base: Base,
        *,
        previous: KeywordDocument | None,
        as_of: datetime,
        traceparent: str | None,
    ) -> Current:
        """Write a version, make it the current document, and send its edition.

        Args:
            document: The version.
            current: The document that it replaces, as it was read.
            base: What `base` returned for `current`.
            previous: The version before.
            as_of: The moment on Video Indexer's clock that the version answers for.
            traceparent: W3C trace context of the job.

        Returns:
            The new current document.

        Raises:
            ConflictError: Another job changed the document meanwhile; nothing was sent.
            azure.core.exceptions.AzureError: Storage failed.
        """
        body = await self.history.create_version(document)
        stored = documents.decode(body)
        old = current.status if current else None
        events, in_force = await self._version_events(stored, body, base, previous, traceparent)
        name = await self.history.write_list(stored.video_id, base.number, envelope.join(events))
        if stored.state in FAILED_STATES and not base.restates and old and old.edition:
            active = old.edition.active  # its keywords are those of the version before
            matched = old.matched
        else:
            active, matched = name, _matched(in_force)
        status = PublicationStatus(
            version=stored.version,
            published=old.version if old else 0,
            state=stored.state,
            as_of=as_of,
            edition=Edition(
                number=base.number,
                list=name,
                active=active,
                sent=old.edition.sent if old and old.edition else 0,
            ),
            matched=matched,
        )
        etag = await self.documents.replace(stored.video_id, body, status, current.etag if current else None)
        return await self._send_and_note(
            Current(document=stored, body=body, etag=etag, status=status), events, traceparent
        )

    async def changes(self, current: Current, in_force: InForce, only: Collection[str] | None) -> Changes:
        """Return what a rematch of the document would tell; nothing is written.

        Args:
            current: The document.
            in_force: The interests to match.
            only: The ids of the interests to look at; None for all. An edition that restates looks at all.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        base = await self.base(current.document.video_id, current)
        matches = in_force.matcher.match(current.document)
        if base.restates:
            return Changes(base=base, matched=matches, ended=ended_matches(matches, base.active))
        held = base.active
        if only is not None:
            matches = tuple(match for match in matches if match.interest.id in only)
            held = {name: match for name, match in held.items() if name in only}
        new = [match for match in matches if not is_same(match, held.get(match.interest.id))]
        return Changes(base=base, matched=new, ended=ended_matches(matches, held))

    async def add_rematch(
        self, current: Current, changes: Changes, in_force: InForce, *, full: bool, traceparent: str | None
    ) -> Current:
        """Write and send the edition that tells `changes`; without any, note with which interests it was matched.

        Args:
            current: The document, as it was read.
            changes: What `changes` returned for it.
            in_force: The interests that it was matched with.
            full: Whether it was matched with all interests.
            traceparent: W3C trace context of the request.

        Raises:
            ConflictError: Another job changed the document meanwhile; nothing was sent.
            azure.core.exceptions.AzureError: Storage failed.
        """
        document, base = current.document, changes.base
        matched = _matched(in_force) if full or base.restates else current.status.matched
        if not changes.matched and not changes.ended:
            edition = current.status.edition
            if edition is None:
                # Nothing was ever told about interests: from here on the document has an edition.
                edition = Edition(number=base.number, list=None, active=None, sent=base.number)
            stamp = current.status.matched.interests if current.status.matched else None
            if edition == current.status.edition and (matched is None or matched.interests == stamp):
                return current
            status = replace(current.status, edition=edition, matched=matched)
            etag = await self.documents.set_status(document.video_id, status, current.etag)
            return replace(current, etag=etag, status=status)
        origin = self._origin(document, current.body, base.number, self.clock(), traceparent)
        events = envelope.interest_events(
            document, origin, matches=changes.matched, ended=list(changes.ended.values())
        )
        name = await self.history.write_list(document.video_id, base.number, envelope.join(events))
        held = {id_: match for id_, match in base.active.items() if id_ not in changes.ended}
        record = ActiveRecord(
            version=document.version,
            lists=(*await self._lists(current), name),
            matches=held | active_matches(events),
        )
        active = await self.history.write_active(document.video_id, base.number, msgspec.json.encode(record))
        sent = current.status.edition.sent if current.status.edition else 0
        status = replace(
            current.status,
            edition=Edition(number=base.number, list=name, active=active, sent=sent),
            matched=matched,
        )
        etag = await self.documents.set_status(document.video_id, status, current.etag)
        return await self._send_and_note(replace(current, etag=etag, status=status), events, traceparent)

    async def advance(self, current: Current, as_of: datetime) -> None:
        """Note that the document answers for `as_of`. Many jobs that found nothing new may do so at once.

        The metadata is always written, because the new ETag is what makes a slower job with an older answer fail.

        Raises:
            ConflictError: Another job wrote a new edition.
            azure.core.exceptions.AzureError: Storage failed.
        """
        while True:
            status = replace(current.status, as_of=max(as_of, current.status.as_of))
            try:
                await self.documents.set_status(current.document.video_id, status, current.etag)
            except ConflictError:
                again = await self.documents.read(current.document.video_id)
                if again is None or replace(again.status, as_of=status.as_of) != status:
                    raise
                current = again
            else:
                return

    async def resend(self, current: Current, destination: str | None) -> None:
        """Send the lists of the current version's editions once more: the same bytes.

        Args:
            current: The document, everything about it sent.
            destination: Only to this destination; None for all.

        Raises:
            ConflictError: Another job changed the document meanwhile.
            azure.core.exceptions.AzureError: Storage failed.
        """
        if current.status.edition is None:
            current = await self._restate(current)
        for name in await self._lists(current):
            events = await self.history.read_events(current.document.video_id, name)
            await self.destinations.send(_batch(current, name, events), only=destination)

    async def erase(self, current: Current) -> int:
        """Erase the history of a removed video, whose edition was sent; return how many files were deleted.

        The list of the removal repeats the keywords that were withdrawn. It stays while remote destinations may
        still have to deliver it.

        Raises:
            azure.core.exceptions.AzureError: Storage failed; the next job of the video continues.
        """
        edition = current.status.edition
        keep = edition.list if edition else None
        return await self.history.erase(current.document, keep, empty=not self.destinations.has_remote)

    async def _restate(self, current: Current) -> Current:
        """Tell everything about the current version in an edition of its own, and send it."""
        document = current.document
        base = replace(await self.base(document.video_id, current), restates=True)
        previous = await self.version_before(document)
        events, in_force = await self._version_events(document, current.body, base, previous, None)
        name = await self.history.write_list(document.video_id, base.number, envelope.join(events))
        status = replace(
            current.status,
            state=document.state,
            edition=Edition(number=base.number, list=name, active=name, sent=0),
            matched=_matched(in_force),
        )
        etag = await self.documents.set_status(document.video_id, status, current.etag)
        logger.info(
            "video=%s version=%d edition=%d restated", document.video_id, document.version, base.number
        )
        return await self._send(replace(current, etag=etag, status=status), events)

    async def _version_events(
        self,
        document: KeywordDocument,
        body: bytes,
        base: Base,
        previous: KeywordDocument | None,
        traceparent: str | None,
    ) -> tuple[tuple[bytes, ...], InForce | None]:
        """Return the events of a version's edition, and the interests that it was matched with, if it was."""
        tells_interests = document.state not in FAILED_STATES or base.restates
        in_force = None
        matches: tuple[Match, ...] = ()
        if tells_interests and document.state != REMOVED_STATE:
            in_force = await self.interests.current()
            matches = in_force.matcher.match(document)
        ended = ended_matches(matches, base.active) if tells_interests else {}
        origin = self._origin(document, body, base.number, document.extracted_at, traceparent)
        events = envelope.version_events(
            document, origin, previous=previous, matches=matches, ended=list(ended.values())
        )
        return events, in_force

    def _origin(
        self, document: KeywordDocument, body: bytes, edition: int, time: datetime, traceparent: str | None
    ) -> Origin:
        return Origin(
            source=self.event_source,
            edition=edition,
            time=time,
            body=body,
            url=self.history.version_url(document),
            traceparent=traceparent,
        )

    async def version_before(self, document: KeywordDocument) -> KeywordDocument | None:
        """Return the version before `document`; None if it is the first.

        If its file is missing, the document itself stands for it: nothing is known to have changed.

        Raises:
            azure.core.exceptions.AzureError: Storage failed.
        """
        if document.previous_hash is None:
            return None
        found = await self.history.read_version(
            document.video_id, document.version - 1, document.previous_hash
        )
        return found or document

    async def _newest_version(self, video_id: str, names: HistoryNames) -> KeywordDocument | None:
        for version in names.versions:
            found = await self.history.read_version(video_id, version.number, version.hash_prefix)
            if found is not None:
                return found
        return None

    async def _lists(self, current: Current) -> tuple[str, ...]:
        """Return the event lists of the current version's editions, the oldest first."""
        edition = current.status.edition
        if edition is None or edition.list is None:
            return ()
        if edition.active is not None and edition.active.endswith(ACTIVE):
            body = await self.history.read(current.document.video_id, edition.active)
            record = _RECORD.decode(body) if body else None
            if record is not None and record.version == current.document.version:
                return record.lists
        return (edition.list,)

    async def _events(self, current: Current) -> tuple[bytes, ...]:
        edition = current.status.edition
        if edition is None or edition.list is None:
            return ()
        return await self.history.read_events(current.document.video_id, edition.list)

    async def _send_and_note(
        self, current: Current, events: Sequence[bytes], traceparent: str | None
    ) -> Current:
        """Send a new edition. If another job noted that it was sent, this one's work is done too."""
        try:
            return await self._send(current, events, traceparent)
        except ConflictError:
            logger.info(
                "video=%s version=%d was sent by another job too",
                current.document.video_id,
                current.document.version,
            )
            return current

    async def _send(
        self, current: Current, events: Sequence[bytes], traceparent: str | None = None
    ) -> Current:
        edition = current.status.edition
        assert edition is not None
        if edition.list is not None:
            await self.destinations.send(_batch(current, edition.list, events, traceparent))
        status = replace(
            current.status, published=current.status.version, edition=replace(edition, sent=edition.number)
        )
        etag = await self.documents.set_status(current.document.video_id, status, current.etag)
        return replace(current, etag=etag, status=status)


def _batch(
    current: Current, name: str, events: Sequence[bytes], traceparent: str | None = None
) -> EventBatch:
    edition = current.status.edition
    assert edition is not None
    return EventBatch(
        video_id=current.document.video_id,
        version=current.document.version,
        edition=edition.number,
        list=name,
        events=tuple(events),
        traceparent=traceparent,
    )


def _matched(in_force: InForce | None) -> Matched | None:
    return Matched(interests=in_force.stamp, at=in_force.checked_at) if in_force else None

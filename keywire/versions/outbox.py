"""The events of stored versions: which matches are in force, and what of a rematch is still to be sent.

Separate from extraction, because a rematch asks the same: a version's events are its own list and those of
the rematches since, and a failed version leaves in force what held before it.
"""

from dataclasses import dataclass

from keywire.destinations.destinations import Destinations
from keywire.documents.content import FAILED_STATES
from keywire.documents.document import KeywordDocument
from keywire.events import envelope
from keywire.events.interests import ActiveMatch, active_matches, ids_of
from keywire.versions.store import DocumentStore, EventList


@dataclass(frozen=True, kw_only=True)
class Told:
    """What consumers were told of a video's interests.

    Attributes:
        active: By interest id.
        event_ids: Of the newest version's events.
        lists: Of the newest version, oldest first.
    """

    active: dict[str, ActiveMatch]
    event_ids: frozenset[str]
    lists: tuple[EventList, ...]


async def told_of(store: DocumentStore, destinations: Destinations, document: KeywordDocument) -> Told:
    """What was told up to `document`; a rematch's list that was never sent is sent first.

    Raises:
        ConflictError: A list was taken away meanwhile.
    """
    lists = await store.event_lists(document)
    newest = [event for each in lists for event in await sent(store, destinations, each)]
    told = newest
    while document.state in FAILED_STATES and document.previous_hash and document.keywords_version:
        version = document.version - 1
        document = await store.read_version(document.video_id, version, document.previous_hash)
        for each in reversed(await store.event_lists(document)):
            told = [*await sent(store, destinations, each), *told]
    return Told(active=active_matches(told), event_ids=ids_of(newest), lists=tuple(lists))


async def resend(store: DocumentStore, destinations: Destinations, document: KeywordDocument) -> None:
    """Send every stored event of a version once more: the same bytes."""
    for each in await store.event_lists(document):
        await destinations.publish(envelope.split(await store.read_list(each)))


async def sent(store: DocumentStore, destinations: Destinations, event_list: EventList) -> tuple[bytes, ...]:
    """The events of a list; a rematch's is sent where that has not happened.

    Raises:
        ConflictError: It was taken away.
    """
    if event_list.published is False:
        await store.claim_list(event_list)
    found = envelope.split(await store.read_list(event_list))
    if event_list.published is False:
        await destinations.publish(found)
        await store.mark_list_published(event_list)
    return found

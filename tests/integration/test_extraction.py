"""Extraction on real storage: the order of effects, crashes between them, and many jobs at once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient

from keywire.documents.document import KeywordDocument
from keywire.extraction import extraction
from keywire.extraction.extraction import Outcome
from keywire.storage.layout import HISTORY_CONTAINER, KEYWORDS_CONTAINER
from keywire.versions.store import BlobDocumentStore, ConflictError, EventList, PublicationStatus, Stored
from keywire.video_indexer.errors import NotReadyError, TransientError, UnusableError
from keywire.video_indexer.service_time import CLOCK_DIFFERENCE
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.world import World, job

A = index([keyword("one"), keyword("two")])
B = index([keyword("two"), keyword("three")])
C = index([keyword("three")])


async def test_a_new_video_becomes_a_document_a_version_and_an_event(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        assert await world.run() is Outcome.PUBLISHED
        (event,) = await world.audit()
        assert (event.type, event.sequence) == ("keywire.keywords.extracted.v1", "000000001")
        assert world.source.asked == 1


async def test_a_duplicate_job_changes_nothing_but_the_moment_that_is_answered_for(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        _, before, marks = await world.current()
        assert await world.run() is Outcome.UNCHANGED
        _, after, later = await world.current()
        assert after == before
        assert later["asof"] > marks["asof"]
        assert len(await world.audit()) == 1


async def test_a_callback_answers_for_five_minutes_before_it_was_asked_about(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        document, _, marks = await world.current()
        assert datetime.fromisoformat(marks["asof"]) == document.extracted_at - CLOCK_DIFFERENCE


async def test_a_job_about_a_moment_that_is_answered_for_asks_nothing(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        indexed = datetime(2026, 3, 2, 8, tzinfo=UTC)
        await world.run(as_of=indexed)
        assert await world.run(as_of=indexed) is Outcome.ANSWERED
        assert world.source.asked == 1
        assert await world.run(as_of=indexed + timedelta(seconds=1)) is Outcome.UNCHANGED
        assert world.source.asked == 2


async def test_a_then_b_then_a_again_are_three_versions_with_ids_of_their_own(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        for body in (A, B, A):
            world.source.body = body
            assert await world.run() is Outcome.PUBLISHED
        history = sorted(name for name in await world.history() if name.endswith(".json"))
        assert [name[:6] for name in history] == ["000001", "000002", "000003"]
        assert history[0][7:] == history[2][7:]
        assert [event.sequence for event in await world.audit()] == ["000000001", "000000002", "000000003"]


async def test_a_failed_indexing_is_a_version_and_an_event_and_keeps_the_keywords(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = index(None, state="Failed", video={"failureCode": "InvalidInput"})
        assert await world.run() is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert (document.state, document.version, document.keywords_version) == ("Failed", 2, 1)
        assert [event.type for event in await world.audit()] == [
            "keywire.keywords.extracted.v1",
            "keywire.indexing.failed.v1",
        ]


@pytest.mark.parametrize("state", ["Uploaded", "Processing"])
async def test_a_video_that_is_still_indexed_leaves_nothing_behind(
    insights: InsightsStorage, state: str
) -> None:
    async with World(insights, index(None, state=state)) as world:
        with pytest.raises(NotReadyError):
            await world.run()
        assert await world.store.read(job().video_id) is None


async def test_a_state_that_nobody_knows_is_not_taken_for_a_document(insights: InsightsStorage) -> None:
    async with World(insights, index(state="Exploded")) as world:
        with pytest.raises(UnusableError):
            await world.run()


class Crash(BaseException):
    """The process is gone: nothing after this happens."""


class Crashing:
    """A store and a publisher whose process dies around one of their effects."""

    EFFECTS = ("create_version", "create_events", "replace", "publish", "mark")
    name = "crashing"

    def __init__(self, world: World, effect: str, *, after: bool) -> None:
        self._world = world
        self._effect = effect
        self._after = after

    async def _do(self, effect: str, action: Any) -> Any:
        if effect == self._effect and not self._after:
            action.close()
            raise Crash
        result = await action
        if effect == self._effect:
            raise Crash
        return result

    async def read(self, video_id: str) -> Stored | None:
        return await self._world.store.read(video_id)

    def version_url(self, document: KeywordDocument) -> str:
        return self._world.store.version_url(document)

    def own_events(self, document: KeywordDocument) -> EventList:
        return self._world.store.own_events(document)

    async def event_lists(self, document: KeywordDocument) -> list[EventList]:
        return await self._world.store.event_lists(document)

    async def read_list(self, event_list: EventList) -> bytes:
        return await self._world.store.read_list(event_list)

    async def read_version(self, video_id: str, version: int, content_hash: str) -> KeywordDocument:
        return await self._world.store.read_version(video_id, version, content_hash)

    async def create_rematch(self, document: KeywordDocument, number: int, events: bytes) -> EventList:
        created: EventList = await self._do(
            "create_rematch", self._world.store.create_rematch(document, number, events)
        )
        return created

    async def claim_list(self, event_list: EventList) -> None:
        await self._world.store.claim_list(event_list)

    async def remove_list(self, event_list: EventList) -> None:
        await self._world.store.remove_list(event_list)

    async def erase_before(self, tombstone: KeywordDocument) -> int:
        return await self._world.store.erase_before(tombstone)

    async def mark_list_published(self, event_list: EventList) -> None:
        await self._do("mark_list_published", self._world.store.mark_list_published(event_list))

    async def remove_version(self, document: KeywordDocument) -> None:
        await self._world.store.remove_version(document)

    async def create_version(self, document: KeywordDocument) -> tuple[bytes, str]:
        created: tuple[bytes, str] = await self._do(
            "create_version", self._world.store.create_version(document)
        )
        return created

    async def create_events(self, document: KeywordDocument, events: bytes) -> bytes:
        created: bytes = await self._do("create_events", self._world.store.create_events(document, events))
        return created

    async def replace(self, video_id: str, body: bytes, marks: PublicationStatus, etag: str | None) -> str:
        return str(await self._do("replace", self._world.store.replace(video_id, body, marks, etag)))

    async def mark(self, video_id: str, marks: PublicationStatus, etag: str) -> str:
        return str(await self._do("mark", self._world.store.mark(video_id, marks, etag)))

    async def publish(self, events: Sequence[bytes]) -> None:
        await self._do("publish", self._world.publisher.publish(events))


crashes = pytest.mark.parametrize(
    ("effect", "after"), [(effect, after) for effect in Crashing.EFFECTS for after in (False, True)]
)


async def crash(world: World, effect: str, *, after: bool) -> None:
    dying = Crashing(world, effect, after=after)
    with pytest.raises(Crash):
        await world.extraction(dying, dying).extract(job())


@crashes
async def test_a_crash_around_any_effect_is_healed_by_the_next_try(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await crash(world, effect, after=after)
        await world.run()
        assert len(await world.audit()) == 1


@crashes
async def test_a_crash_on_the_second_version_is_healed_too(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        await crash(world, effect, after=after)
        await world.run()
        assert [event.type for event in await world.audit()] == [
            "keywire.keywords.extracted.v1",
            "keywire.keywords.changed.v1",
        ]


@crashes
async def test_a_version_that_crashed_before_it_was_published_is_published_before_the_next(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await crash(world, effect, after=after)
        world.source.body = B
        await world.run()
        replaced = effect in {"publish", "mark"} or (effect == "replace" and after)
        document, _, _ = await world.current()
        assert document.version == (2 if replaced else 1)
        if replaced:
            assert len(await world.audit()) == 2


async def test_a_crash_after_sending_sends_the_same_bytes_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await crash(world, "publish", after=True)
        await world.run()
        first, second = await world.queued()
        assert first == second


async def test_many_jobs_at_once_for_a_new_video_make_one_version(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        outcomes = await asyncio.gather(*(world.run() for _ in range(16)))
        assert Outcome.PUBLISHED in outcomes
        assert len(await world.audit()) == 1
        document, _, _ = await world.current()
        assert document.version == 1


async def test_many_duplicate_jobs_at_once_ask_once_each(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        await asyncio.gather(*(world.run() for _ in range(16)))
        assert world.source.asked == 17
        assert len(await world.audit()) == 1


async def test_an_answer_that_became_stale_while_it_was_under_way_never_wins(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        overtaken = asyncio.Event()
        asked = asyncio.Event()

        async def hold_the_first(number: int) -> None:
            if number == 1:
                asked.set()
                await overtaken.wait()

        world.source.before_answering = hold_the_first
        slow = asyncio.create_task(world.run())
        await asked.wait()
        world.source.body = B
        assert await world.run() is Outcome.PUBLISHED
        overtaken.set()
        assert await slow is Outcome.UNCHANGED
        document, _, _ = await world.current()
        assert [kept["text"] for kept in document.keywords] == ["two", "three"]
        assert len(await world.audit()) == 1


async def test_a_stale_answer_that_would_change_nothing_marks_nothing(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()

        async def be_overtaken(number: int) -> None:
            if number == 2:
                world.source.body = B
                assert await world.run() is Outcome.PUBLISHED

        world.source.before_answering = be_overtaken
        assert await world.run() is Outcome.UNCHANGED
        assert world.source.asked == 4  # the first, the overtaken, the one that overtook, and again
        assert len(await world.audit()) == 2


async def test_an_answer_that_is_older_than_one_that_changed_nothing_never_wins(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        # A log record's moment may lie ahead of what callbacks answer for, which then is no news.
        await world.run(as_of=world.clock.now + timedelta(days=1))
        world.source.body = B

        async def be_overtaken_by_the_return_of_a(number: int) -> None:
            if number == 2:
                world.source.body = A
                assert await world.run() is Outcome.UNCHANGED

        world.source.before_answering = be_overtaken_by_the_return_of_a
        assert await world.run() is Outcome.UNCHANGED
        document, _, _ = await world.current()
        assert [kept["text"] for kept in document.keywords] == ["one", "two"]
        # Its files stay: another job may just then be about to make them the next version.
        assert len(await world.audit(leftover="000002")) == 1


async def test_a_version_that_lost_to_a_mark_and_was_never_taken_up_is_cleared_away(
    insights: InsightsStorage,
) -> None:
    class Overtaken(Crashing):
        """Between the first version's files and its swap, the document is marked and the content moves on."""

        swapped = False

        async def replace(
            self, video_id: str, body: bytes, marks: PublicationStatus, etag: str | None
        ) -> str:
            if not self.swapped:
                self.swapped = True
                world.source.body = A
                assert await world.run() is Outcome.UNCHANGED
                world.source.body = C
            return await world.store.replace(video_id, body, marks, etag)

    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        store = Overtaken(world, "none", after=False)
        assert await world.extraction(store).extract(job()) is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert [kept["text"] for kept in document.keywords] == ["three"]
        assert len(await world.audit()) == 2


class LoserEnds:
    """A history container in which a file that turns out to exist is taken away by its writer, just then."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def list_blobs(self, *arguments: Any, **options: Any) -> Any:
        return self._container.list_blobs(*arguments, **options)

    async def download_blob(self, name: str) -> Any:
        return await self._container.download_blob(name)

    def get_blob_client(self, name: str) -> Any:
        blob = self._container.get_blob_client(name)
        upload = blob.upload_blob

        async def upload_and_lose(*arguments: Any, **options: Any) -> Any:
            try:
                return await upload(*arguments, **options)
            except ResourceExistsError:
                await blob.delete_blob()
                raise

        blob.upload_blob = upload_and_lose  # type: ignore[method-assign]
        return blob


async def test_a_version_that_its_loser_takes_away_meanwhile_costs_no_try(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        await crash(world, "create_version", after=True)
        history: Any = LoserEnds(insights.blobs.get_container_client(HISTORY_CONTAINER))
        current = insights.blobs.get_container_client(KEYWORDS_CONTAINER)
        store = BlobDocumentStore(current, history, world.account_id)
        assert await world.extraction(store).extract(job()) is Outcome.PUBLISHED
        assert len(await world.audit()) == 2


async def test_an_answer_about_another_video_is_not_taken(insights: InsightsStorage) -> None:
    async with World(insights, index([], id="another")) as world:
        with pytest.raises(UnusableError, match="another one"):
            await world.run()


async def test_a_job_that_takes_too_long_ends_before_the_host_ends_it(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(_: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(extraction, "TOTAL_SECONDS", 0.5)
    async with World(insights, A) as world:
        world.source.before_answering = wait
        with pytest.raises(TransientError, match="took over"):
            await world.run()


async def test_changes_and_jobs_at_random_end_in_one_chain_without_a_gap(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        bodies = [index([keyword("one", confidence=number / 10)]) for number in range(6)]

        async def change_and_tell(body: bytes) -> None:
            world.source.body = body
            await asyncio.gather(world.run(), world.run(), world.run())

        await asyncio.gather(*(change_and_tell(body) for body in bodies))
        await world.run()
        events = await world.audit()
        assert [event.sequence for event in events] == [f"{number + 1:09d}" for number in range(len(events))]
        document, _, _ = await world.current()
        assert document.keywords[0]["confidence"] == 0.5


async def test_a_document_written_by_hand_without_its_marks_is_published_again(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        _, body, _ = await world.current()
        container = insights.blobs.get_container_client("keywords")
        await container.upload_blob(f"{world.account_id}/{job().video_id}.json", body, overwrite=True)
        assert await world.run() is Outcome.UNCHANGED
        assert len(await world.audit()) == 1


async def test_a_failure_of_a_destination_leaves_the_version_to_be_published(
    insights: InsightsStorage,
) -> None:
    class Refusing:
        name = "refusing"

        async def publish(self, events: Sequence[bytes]) -> None:
            raise TransientError("the destination is down")

    async with World(insights, A) as world:
        with pytest.raises(TransientError):
            await world.extraction(publisher=Refusing()).extract(job())
        assert await world.queued() == []
        await world.run()
        assert len(await world.audit()) == 1


async def test_jobs_that_lose_every_race_end_in_an_error_and_not_in_a_loop(insights: InsightsStorage) -> None:
    class Losing(Crashing):
        async def replace(
            self, video_id: str, body: bytes, marks: PublicationStatus, etag: str | None
        ) -> str:
            raise ConflictError(video_id)

    async with World(insights, A) as world:
        with pytest.raises(ConflictError, match="20 times"):
            await world.extraction(Losing(world, "none", after=False)).extract(job())

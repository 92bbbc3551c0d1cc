"""Extraction on real storage: the order of effects, crashes between them, and many jobs at once."""

import asyncio
import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient

from keywire.destinations.event_batch import EventBatch
from keywire.documents import document as documents
from keywire.documents.content import REMOVED
from keywire.documents.document import KeywordDocument
from keywire.extraction.extraction import Outcome
from keywire.storage.swap import ConflictError
from keywire.versions.current import CurrentDocuments
from keywire.versions.history import History
from keywire.versions.status import PublicationStatus
from keywire.video_indexer.errors import GoneError, NotReadyError, TransientError, UnusableError
from keywire.video_indexer.service_time import CLOCK_DIFFERENCE
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.crashing import VERSION_EFFECTS, CrashError, Crashing
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
        assert await world.outbox().documents.read(job().video_id) is None


async def test_a_state_that_nobody_knows_is_not_taken_for_a_document(insights: InsightsStorage) -> None:
    async with World(insights, index(state="Exploded")) as world:
        with pytest.raises(UnusableError):
            await world.run()


crashes = pytest.mark.parametrize(
    ("effect", "after"), [(effect, after) for effect in VERSION_EFFECTS for after in (False, True)]
)


async def crash(world: World, effect: str, *, after: bool) -> None:
    dying = Crashing(effect, after=after)
    with pytest.raises(CrashError):
        await world.extraction(crashing=dying).extract(job())


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
async def test_an_edition_that_was_not_sent_is_sent_before_the_next_one(
    insights: InsightsStorage, effect: str, *, after: bool
) -> None:
    async with World(insights, A) as world:
        await crash(world, effect, after=after)
        world.source.body = B
        await world.run()
        swapped = effect in {"send", "mark"} or (effect == "swap" and after)
        types = [event.type for event in await world.audit()]
        if swapped:
            assert types == ["keywire.keywords.extracted.v1", "keywire.keywords.changed.v1"]
        else:
            assert len(types) == 1


async def test_a_crash_after_sending_sends_the_same_bytes_again(insights: InsightsStorage) -> None:
    async with World(insights, A) as world:
        await crash(world, "send", after=True)
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
        assert len(await world.audit()) == 1


async def test_a_version_that_lost_a_race_is_discarded_once_its_number_is_taken(
    insights: InsightsStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(insights, A) as world:
        await world.run()

        async def be_overtaken(number: int) -> None:
            if number == 2:
                world.source.body = C
                assert await world.run() is Outcome.PUBLISHED

        overtaken = world.extraction()
        write = overtaken.outbox.history.create_version

        async def write_and_be_overtaken(document: KeywordDocument) -> bytes:
            body = await write(document)
            if document.keywords[0]["text"] == "two":
                await be_overtaken(2)
            return body

        monkeypatch.setattr(overtaken.outbox.history, "create_version", write_and_be_overtaken)
        world.source.body = B
        assert await overtaken.extract(job()) is Outcome.UNCHANGED
        versions = [name for name in await world.history() if re.fullmatch(r"\d+-\w+\.json", name)]
        assert len(versions) == 2
        assert len(await world.audit()) == 2


class LoserEnds:
    """A history container in which a file that exists is discarded by its writer, just then."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def get_blob_client(self, name: str) -> Any:
        blob: Any = self._container.get_blob_client(name)
        upload = blob.upload_blob

        async def upload_and_lose(*arguments: Any, **options: Any) -> Any:
            try:
                return await upload(*arguments, **options)
            except ResourceExistsError:
                await blob.delete_blob()
                raise

        blob.upload_blob = upload_and_lose
        return blob


async def test_a_version_that_its_writer_discards_meanwhile_is_written_again(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        await crash(world, "create_version", after=True)
        outbox = world.outbox()
        history: Any = LoserEnds(world.history_container)
        outbox = dataclasses.replace(outbox, history=History(history, world.account_id))
        extraction = dataclasses.replace(world.extraction(), outbox=outbox)
        assert await extraction.extract(job()) is Outcome.PUBLISHED
        assert len(await world.audit()) == 2


async def test_an_answer_about_another_video_is_not_taken(insights: InsightsStorage) -> None:
    async with World(insights, index([], id="another")) as world:
        with pytest.raises(UnusableError, match="another one"):
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
        assert len({event.sequence for event in events}) == len(events)
        document, _, _ = await world.current()
        assert document.keywords[0]["confidence"] == 0.5


async def test_a_document_that_lost_its_metadata_is_told_in_an_edition_of_its_own(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        _, body, _ = await world.current()
        await world.current_container.upload_blob(
            f"{world.account_id}/{job().video_id}.json", body, overwrite=True
        )
        assert await world.run() is Outcome.UNCHANGED
        first, second = await world.audit()
        assert (first.type, second.type) == (first.type, first.type)
        assert (first.sequence, second.sequence) == ("000000001", "000000002")
        assert first.id != second.id


async def test_a_failure_of_a_destination_leaves_the_edition_to_be_sent(insights: InsightsStorage) -> None:
    class Refusing:
        async def send(self, batch: EventBatch) -> None:
            raise TransientError("the destination is down")

    async with World(insights, A) as world:
        with pytest.raises(TransientError):
            await world.extraction(destinations={"refusing": Refusing()}).extract(job())
        assert await world.queued() == []
        await world.run()
        assert len(await world.audit()) == 1


async def test_a_job_that_loses_every_race_fails_instead_of_looping(insights: InsightsStorage) -> None:
    class Losing(CurrentDocuments):
        async def replace(
            self, video_id: str, body: bytes, status: PublicationStatus, etag: str | None
        ) -> str:
            raise ConflictError(video_id)

    async with World(insights, A) as world:
        losing = Losing(world.current_container, world.account_id)
        outbox = dataclasses.replace(world.outbox(), documents=losing)
        with pytest.raises(TransientError, match="20 times"):
            await dataclasses.replace(world.extraction(), outbox=outbox).extract(job())


@pytest.mark.parametrize("change", [{}, {"edition": "x"}, {"asof": "yesterday"}, {"version": "7"}])
async def test_metadata_that_was_broken_by_hand_is_written_again(
    insights: InsightsStorage, change: dict[str, str]
) -> None:
    async with World(insights, A) as world:
        await world.run()
        _, _, metadata = await world.current()
        await world.set_metadata((metadata | change) if change else {})
        assert await world.run() is Outcome.UNCHANGED
        world.source.body = B
        assert await world.run() is Outcome.PUBLISHED
        events = await world.audit()
        assert len({event.sequence for event in events}) == len(events)


async def test_a_reference_that_comes_with_a_later_signal_is_a_version_without_changes(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        with_reference = msgspec.structs.replace(job(), reference="cms-4711")
        assert await world.extraction().extract(with_reference) is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert (document.version, document.reference) == (2, "cms-4711")
        assert document.content_hash == document.previous_hash
        # A signal without a reference keeps it, and the same one is no news.
        assert await world.run() is Outcome.UNCHANGED
        assert await world.extraction().extract(with_reference) is Outcome.UNCHANGED
        changed = [json.loads(line) for line in await world.all_events() if b"changed.v1" in line]
        assert [(each["data"]["added"], each["data"]["removed"]) for each in changed] == [([], [])]
        await world.audit()


async def test_a_lost_current_document_is_followed_by_a_version_with_a_higher_number_and_sequence(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        await world.run()
        await world.delete_current()
        world.source.body = C
        assert await world.run() is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert document.version == 3
        events = await world.audit()
        assert [event.sequence for event in events] == ["000000001", "000000002", "000000003"]


async def test_a_version_that_a_crashed_job_left_is_told_before_one_with_a_reference(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        with pytest.raises(CrashError):
            await world.extraction(crashing=Crashing("create_version", after=True)).extract(job())
        referring = msgspec.structs.replace(job(), reference="cms-4711")
        assert await world.extraction().extract(referring) is Outcome.PUBLISHED
        events = await world.audit()
        assert [(event.type, event.data.version) for event in events] == [
            ("keywire.keywords.extracted.v1", 1),
            ("keywire.keywords.changed.v1", 2),
        ]


async def test_a_removal_that_was_written_and_never_told_is_told_after_the_document_was_lost(
    insights: InsightsStorage,
) -> None:
    class Gone:
        async def get_index(self, _: str) -> bytes:
            raise GoneError("gone", status=400, code="VIDEO_REMOVED")

    async with World(insights, A) as world:
        await world.run()
        overtaken = dataclasses.replace(world.extraction(), source=Gone())
        lost = await overtaken.outbox.read(job().video_id)
        assert lost is not None
        base = await overtaken.outbox.base(job().video_id, lost)
        tombstone = documents.build(
            REMOVED,
            account_id=world.account_id,
            video_id=job().video_id,
            version=2,
            previous=lost.document,
            failure_message=None,
            extracted_at=world.clock(),
        )
        await world.delete_current()
        with pytest.raises(ConflictError):
            await overtaken.outbox.add_version(
                tombstone, lost, base, previous=lost.document, as_of=world.clock(), traceparent=None
            )
        assert await overtaken.extract(job()) is Outcome.PUBLISHED
        assert (await world.audit())[-1].type == "keywire.keywords.removed.v1"


async def test_a_lost_current_document_of_the_same_content_comes_back_as_its_version(
    insights: InsightsStorage,
) -> None:
    async with World(insights, A) as world:
        await world.run()
        world.source.body = B
        await world.run()
        await world.delete_current()
        assert await world.run() is Outcome.PUBLISHED
        document, _, _ = await world.current()
        assert document.version == 2
        assert [event.sequence for event in await world.audit()] == ["000000001", "000000002", "000000003"]

"""Reconciliation and backfill: real storage, and Video Indexer's emulator in this process."""

import asyncio
import base64
import dataclasses
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from azure.storage.blob.aio import BlobLeaseClient
from azure.storage.queue.aio import QueueClient

from keywire import ids
from keywire.extraction.extraction import Extraction
from keywire.interests.status import FullRematch, InterestStatus
from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.jobs.queue import JobQueue, MessageQueue
from keywire.operations import backfill_pages
from keywire.operations.backfill_orders import (
    BackfillPage,
    BackfillRequest,
    BackfillStatus,
    PageResult,
    decode_page,
    status_of,
)
from keywire.operations.backfill_pages import BackfillPages
from keywire.operations.operation_log import OperationLog
from keywire.reconciliation import reconciliation, sweep
from keywire.reconciliation.document_metadata import DocumentMetadata
from keywire.reconciliation.reconciliation import Reconciliation
from keywire.reconciliation.state import Result, State
from keywire.reconciliation.sweep import Sweep
from keywire.storage import lease
from keywire.storage.layout import (
    CONTROL_CONTAINER,
    FULL_REMATCH_BLOB,
    INTERESTS_STATUS_BLOB,
    KEYWORDS_CONTAINER,
    QUOTA_BLOB,
    RECONCILIATION_BLOB,
    RECONCILIATION_LOCK_BLOB,
)
from keywire.storage.notes import Note
from keywire.storage.swap import ConflictError
from keywire.video_indexer import quota_ledger
from keywire.video_indexer.errors import MisconfiguredError, ThrottledError, TransientError
from keywire.video_indexer.listing import ListPage, list_videos
from keywire.video_indexer.period import Period
from keywire.video_indexer.quota_ledger import Ledger
from keywire.video_indexer.service_time import MARGIN
from local.stack import LocalStack
from local.storage import InsightsStorage
from tests.support.builders import index, keyword
from tests.support.on_stack import NOBODY, document, indexed, upload
from tests.support.queue_messages import never_expires
from tests.support.video_indexer import Service
from tests.support.waiting import eventually
from tests.support.world import World

BODY = index([keyword("office insider")])
QUARTER = timedelta(minutes=15)
DAY = timedelta(hours=24)


async def _nothing(_: object) -> None:
    return


def fail_beyond_the_first(error: Exception) -> Callable[[int], Awaitable[None]]:
    async def fail(skip: int) -> None:
        if skip:
            raise error

    return fail


class Account:
    """A Video Indexer account, Keywire's storage for it, and one clock for both."""

    def __init__(self, insights: InsightsStorage, world: World) -> None:
        self.world = world
        self.service = Service(
            account_id=world.account_id, requests_per_second=None, requests_per_minute=None
        )
        # Storage's clock says that documents are written now, which is before the account's time. Whole seconds:
        # rounding must not move a video out of a period.
        self.service.emulator.clock.now = float(int(time.time()) + 3600)
        name = world.account_id[:8]
        self.control = insights.blobs.get_container_client(f"control-{name}")
        self.jobs = insights.queue(f"jobs-{name}")
        self.backlog = insights.queue(f"backlog-{name}")
        self.pages = insights.queue(f"pages-{name}")
        self.documents = insights.blobs.get_container_client(KEYWORDS_CONTAINER)
        self.metadata = DocumentMetadata(self.documents, world.account_id)
        self.backfills = OperationLog(
            self.control,
            MessageQueue(self.pages),
            kind="backfill",
            decode=decode_page,
            result_type=PageResult,
        )
        self.slept: list[float] = []
        self.rematched: list[str] = []
        self.page_size = 1000
        self.before_page: Callable[[int], Awaitable[None]] = _nothing
        self.after_page: Callable[[ListPage], Awaitable[None]] = _nothing

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.service.emulator.clock(), UTC)

    def pass_time(self, time: timedelta) -> None:
        self.service.emulator.clock.advance(time.total_seconds())

    async def _list(self, *, skip: int, period: Period) -> ListPage:
        await self.before_page(skip)
        page = await list_videos(self.service.client, skip=skip, period=period, page_size=self.page_size)
        await self.after_page(page)
        return page

    def sweep(self, signal: jobs.Signal = "reconciliation") -> Sweep:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        return Sweep(
            videos=self._list,
            queue=JobQueue(MessageQueue(self.jobs)),
            backlog=JobQueue(MessageQueue(self.backlog)),
            signal=signal,
            clock=self.now,
            sleep=sleep,
        )

    def reconciliation(self) -> Reconciliation:
        async def rematch(videos: Sequence[str], traceparent: str | None) -> None:
            self.rematched += videos

        return Reconciliation(self.sweep(), self.metadata, self.control, rematch)

    async def run(self, *, full: bool = False) -> Result:
        (result,) = await self.reconciliation().reconcile(self.now(), full=full)
        return result

    @property
    def extraction(self) -> Extraction:
        return dataclasses.replace(self.world.extraction(), source=self.service.client, clock=self.now)

    async def upload(self, count: int = 1, body: bytes = BODY) -> list[str]:
        """Upload videos whose callbacks are lost."""
        await self.service.emulator.authorize()
        uploaded = [await self.service.emulator.upload(body) for _ in range(count)]
        await self.service.emulator.indexed(uploaded[-1])  # the others are indexed before it
        return uploaded

    async def upload_with_documents(self, count: int = 1) -> list[str]:
        """Upload videos and extract their documents."""
        uploaded = await self.upload(count)
        await self.do_jobs(*(self.job(video_id) for video_id in uploaded))
        return uploaded

    def job(self, video_id: str) -> ExtractionJob:
        return ExtractionJob(
            video_id=video_id,
            job_id=ids.new_job_id(),
            signal="callback",
            received_at=self.now(),
            as_of=self.now(),
        )

    async def do_jobs(self, *given: ExtractionJob) -> list[ExtractionJob]:
        """Run the given jobs, or those on the queues if none are given, and return them."""
        todo = list(given) or await self.take_jobs()
        for job in todo:
            await self.extraction.extract(job)
        return todo

    async def take_jobs(self, *queues: QueueClient) -> list[ExtractionJob]:
        """Receive all jobs of the given queues, or of both if none are given."""
        taken = []
        for queue in queues or (self.jobs, self.backlog):
            async for message in queue.receive_messages(messages_per_page=32):
                assert never_expires(message)
                taken.append(jobs.decode(base64.b64decode(message.content)))
                await queue.delete_message(message)
        return taken

    async def change_metadata(self, video_id: str, **changed: str) -> None:
        blob = self.documents.get_blob_client(f"{self.world.account_id}/{video_id}.json")
        metadata = (await blob.get_blob_properties()).metadata
        await blob.set_blob_metadata(metadata | changed)

    async def start_backfill(self, operation_id: str, request: BackfillRequest) -> None:
        await self.backfills.start(BackfillPage(operation_id=operation_id, request=request, traceparent=None))

    async def state(self) -> State:
        body = await (await self.control.download_blob(RECONCILIATION_BLOB)).readall()
        return msgspec.json.decode(body, type=State)

    async def remove(self, video_id: str) -> None:
        await self.service.emulator.authorize()
        answer = await self.service.emulator.client.delete(f"{self.service.emulator.videos}/{video_id}")
        answer.raise_for_status()

    def lists(self) -> list[dict[str, str]]:
        """Return the queries of all requests to List Videos."""
        return [
            dict(request.url.params)
            for request in self.service.requests
            if request.url.path.endswith("/Videos")
        ]


@pytest.fixture
async def account(insights: InsightsStorage) -> AsyncIterator[Account]:
    async with World(insights, BODY) as world:
        account = Account(insights, world)
        await account.control.create_container()
        await account.jobs.create_queue()
        await account.backlog.create_queue()
        await account.pages.create_queue()
        yield account
        await account.control.delete_container()
        await account.jobs.delete_queue()
        await account.backlog.delete_queue()
        await account.pages.delete_queue()


def by_reason(result: Result) -> dict[str, int]:
    counts = {name: getattr(result, name) for name in ("missing", "unpublished", "outdated", "unlisted")}
    assert result.queued == sum(counts.values())
    return {name: count for name, count in counts.items() if count}


async def test_a_lost_callback_is_healed(account: Account) -> None:
    (video_id,) = await account.upload()
    result = await account.run()
    assert by_reason(result) == {"missing": 1}
    (job,) = await account.do_jobs()
    assert (job.video_id, job.signal, job.as_of) == (video_id, "reconciliation", account.now())
    assert await account.world.outbox().documents.read(video_id) is not None


async def test_an_unpublished_document_is_published(account: Account) -> None:
    _, video_id = await account.upload_with_documents(2)
    await account.change_metadata(video_id, sent="0")
    assert by_reason(await account.run()) == {"unpublished": 1}
    assert [job.video_id for job in await account.do_jobs()] == [video_id]
    stored = await account.world.outbox().documents.read(video_id)
    assert stored is not None
    assert stored.status.is_published


async def test_a_video_that_was_indexed_again_is_queued(account: Account) -> None:
    _, video_id = await account.upload_with_documents(2)
    account.pass_time(QUARTER)
    emulator = account.service.emulator
    again = index([keyword("robots")])
    (await emulator.client.put(f"/emulator/videos/{video_id}/insights", content=again)).raise_for_status()
    (await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")).raise_for_status()
    await emulator.indexed(video_id, times=2)
    assert by_reason(await account.run()) == {"outdated": 1}
    assert [job.as_of for job in await account.do_jobs()] == [account.now()]
    stored = await account.world.outbox().documents.read(video_id)
    assert stored is not None
    assert (stored.document.version, stored.status.as_of) == (2, account.now())


@pytest.mark.parametrize(("indexing_seconds", "found"), [(0, {"outdated": 1}), (90, {})])
async def test_after_a_callback_job_a_video_is_queued_again_only_if_its_indexing_took_no_time(
    account: Account, indexing_seconds: int, found: dict[str, int]
) -> None:
    """The document answers for the time of the request, minus what Video Indexer's own clocks may differ."""
    emulator = account.service.emulator
    await emulator.client.put("/emulator/settings", json={"indexingSeconds": indexing_seconds})
    video_id = await emulator.upload(BODY)
    account.pass_time(timedelta(seconds=indexing_seconds))
    await emulator.indexed(video_id)
    callback_job = msgspec.structs.replace(account.job(video_id), as_of=None)
    extraction = dataclasses.replace(account.extraction, service_time=lambda moment: moment - MARGIN)
    await extraction.extract(callback_job)
    assert by_reason(await account.run()) == found
    await account.do_jobs()
    account.pass_time(QUARTER)
    assert by_reason(await account.run()) == {}

    (await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex")).raise_for_status()
    account.pass_time(timedelta(seconds=indexing_seconds))
    await emulator.indexed(video_id, times=2)
    assert by_reason(await account.run()) == {"outdated": 1}


async def test_findings_after_the_first_ones_go_to_the_backlog(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first findings of a sweep are live jobs, even if the next run continues the sweep."""
    monkeypatch.setattr(sweep, "MAX_LIVE_JOBS", 53)
    uploaded = await account.upload(70)
    account.page_size = 50
    account.before_page = fail_beyond_the_first(TransientError("unavailable"))
    with pytest.raises(TransientError):
        await account.run()
    account.before_page = _nothing
    account.pass_time(QUARTER)
    assert by_reason(await account.run()) == {"missing": 70}
    live, later = await account.take_jobs(account.jobs), await account.take_jobs(account.backlog)
    assert (len(live), len(later)) == (53, 17)
    assert {job.video_id for job in live + later} == set(uploaded)
    assert {job.signal for job in live + later} == {"reconciliation"}


@pytest.mark.parametrize("state", ["Processed", "Failed", "Quarantined"])
async def test_a_second_sweep_over_an_unchanged_account_queues_nothing(account: Account, state: str) -> None:
    await account.upload(3, index([keyword("one")], state=state))
    assert by_reason(await account.run(full=True)) == {"missing": 3}
    assert len(await account.do_jobs()) == 3
    for _ in range(2):
        account.pass_time(QUARTER)
        assert by_reason(await account.run(full=True)) == {}
        assert by_reason(await account.run()) == {}
    assert await account.take_jobs() == []


async def test_a_document_without_metadata_is_queued_once(account: Account) -> None:
    (video_id,) = await account.upload_with_documents()
    blob = account.documents.get_blob_client(f"{account.world.account_id}/{video_id}.json")
    await blob.set_blob_metadata({})
    assert by_reason(await account.run()) == {"unpublished": 1}
    await account.do_jobs()
    assert by_reason(await account.run(full=True)) == {}
    await blob.set_blob_metadata({"version": "1", "published": "1", "asof": "yesterday"})
    assert by_reason(await account.run(full=True)) == {"outdated": 1}


async def test_a_video_that_is_being_indexed_is_listed_and_not_queued(account: Account) -> None:
    account.service.emulator.client.headers.pop("Authorization", None)
    await account.service.emulator.client.put("/emulator/settings", json={"indexingSeconds": 60})
    await account.service.emulator.upload(BODY)
    result = await account.run()
    assert (result.listed, result.queued) == (1, 0)


async def test_a_window_lists_the_last_day_only(account: Account) -> None:
    await account.upload()
    await account.run()
    await account.take_jobs()  # lost: the full sweep finds it again
    account.pass_time(DAY - QUARTER)
    (new,) = await account.upload()
    began = account.now() - DAY + QUARTER
    result = await account.run()
    assert (result.sweep, result.listed) == ("window", 2)  # from a day before the last sweep
    account.pass_time(QUARTER - timedelta(seconds=1))
    account.service.requests.clear()
    result = await account.run()
    assert (result.sweep, result.listed) == ("window", 1 + 1)
    (query,) = account.lists()
    assert datetime.fromisoformat(query["createdAfter"]) < began
    assert "createdBefore" not in query
    account.pass_time(timedelta(seconds=1))
    assert (await account.run()).sweep == "full"
    assert new in {job.video_id for job in await account.take_jobs()}


async def test_a_window_ignores_videos_outside_of_it(account: Account) -> None:
    """Even if the service swaps the ends of the period, as its description says."""
    await account.upload(2)
    await account.run()
    await account.take_jobs()
    account.pass_time(DAY + QUARTER)
    await account.upload_with_documents()
    await account.run()
    await account.take_jobs()
    account.pass_time(QUARTER)
    await account.service.fault(operation="ListVideos", kind="unfiltered")
    result = await account.run()
    assert (result.sweep, result.listed, result.queued) == ("window", 1, 0)


async def test_a_removed_video_is_queued_until_it_has_a_tombstone(account: Account) -> None:
    kept, removed = await account.upload_with_documents(2)
    await account.remove(removed)
    result = await account.run(full=True)
    assert by_reason(result) == {"unlisted": 1}
    (job,) = await account.do_jobs()
    assert (job.video_id, job.as_of, job.signal) == (removed, None, "reconciliation")
    stored = await account.world.outbox().documents.read(removed)
    assert stored is not None
    assert stored.document.state == "Removed"
    assert by_reason(await account.run(full=True)) == {}
    assert await account.take_jobs() == []
    assert (await account.world.outbox().documents.read(kept)) is not None


async def test_a_window_does_not_queue_removed_videos(account: Account) -> None:
    (video_id,) = await account.upload_with_documents()
    await account.run(full=True)
    await account.remove(video_id)
    account.pass_time(QUARTER)
    result = await account.run()
    assert (result.sweep, result.queued) == ("window", 0)


async def test_each_run_queues_a_limited_number_of_unlisted_videos_and_each_video_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_UNLISTED", 3)
    monkeypatch.setattr(reconciliation, "UNLISTED_BATCH", 2)
    stored = await account.upload_with_documents(10)
    for video_id in stored:
        await account.remove(video_id)
    account.pass_time(QUARTER)

    await account.service.fault(operation="ListVideos", kind="status", status=403, errorType="FORBIDDEN")
    with pytest.raises(MisconfiguredError):
        await account.run()

    queued: list[str] = []
    for count in (3, 6, 9):
        assert await account.reconciliation().reconcile(account.now(), full=True) == []
        assert (await account.state()).failure is None
        queued += [job.video_id for job in await account.take_jobs()]
        assert len(queued) == count
        account.pass_time(QUARTER)
    result = await account.run(full=True)
    assert (result.sweep, result.unlisted, result.queued) == ("full", 10, 10)
    queued += [job.video_id for job in await account.take_jobs()]
    assert sorted(queued) == sorted(stored)


async def test_tombstones_do_not_count_as_queued_unlisted_videos(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_UNLISTED", 3)
    monkeypatch.setattr(reconciliation, "UNLISTED_BATCH", 3)
    stored = await account.upload_with_documents(9)
    account.pass_time(QUARTER)
    for video_id in stored[:7]:
        await account.remove(video_id)
    await account.do_jobs(*(account.job(video_id) for video_id in stored[:5]))
    assert by_reason(await account.run(full=True)) == {"unlisted": 2}
    assert sorted(job.video_id for job in await account.take_jobs()) == sorted(stored[5:7])


async def test_an_unlisted_document_newer_than_the_sweep_is_not_queued(account: Account) -> None:
    (video_id,) = await account.upload_with_documents()
    await account.remove(video_id)
    account.service.emulator.clock.now = time.time() - 3600
    assert by_reason(await account.run(full=True)) == {}


async def test_a_failed_page_is_retried(account: Account) -> None:
    await account.upload()
    await account.service.fault(operation="ListVideos", kind="status", status=429, retryAfter=7)
    await account.service.fault(operation="ListVideos", kind="status", status=503)
    assert by_reason(await account.run()) == {"missing": 1}
    assert account.slept == [7.0, 4.0]


async def test_a_page_is_not_retried_after_a_minute(account: Account) -> None:
    """Neither if the service asks for a long wait, nor if an attempt already took a minute."""
    await account.service.fault(operation="ListVideos", kind="status", status=429, retryAfter=61)
    with pytest.raises(ThrottledError):
        await account.run()
    attempts = []

    async def fail_after_a_minute(skip: int) -> None:
        attempts.append(skip)
        account.pass_time(timedelta(seconds=60))
        raise TransientError("unavailable")

    account.before_page = fail_after_a_minute
    with pytest.raises(TransientError):
        await account.run()
    assert (attempts, account.slept) == ([0], [])


async def test_a_run_without_a_page_before_its_time_limit_has_failed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.upload_with_documents(3)
    monkeypatch.setattr(reconciliation, "TOTAL_SECONDS", 0.2)

    async def hang_after_the_first(skip: int) -> None:
        if skip:
            await asyncio.sleep(60)

    account.page_size = 2
    account.before_page = hang_after_the_first
    assert await account.reconciliation().reconcile(account.now(), full=True) == []
    assert (await account.state()).failure is None, "one page was done"

    account.before_page = lambda _: asyncio.sleep(60)
    assert await account.reconciliation().reconcile(account.now(), full=True) == []
    failure = (await account.state()).failure
    assert failure is not None
    assert "not one page" in failure.error


async def test_the_next_run_continues_at_the_page_that_failed(account: Account) -> None:
    uploaded = await account.upload(60)
    account.page_size = 50
    account.before_page = fail_beyond_the_first(TransientError("the network is down"))
    with pytest.raises(TransientError):
        await account.run()
    state = await account.state()
    assert state.full is not None
    assert state.full.cursor is not None
    assert (state.full.cursor.skip, state.full.counts.missing) == (30, 50)
    assert state.failure is not None
    assert state.failure.error == "TransientError: the network is down"
    account.before_page = _nothing
    account.service.requests.clear()
    account.pass_time(QUARTER)
    result = await account.run()
    assert [query["skip"] for query in account.lists()] == ["30"]
    assert (result.sweep, result.listed, result.missing, result.pages) == ("full", 60, 60, 2)
    queued = [job.video_id for job in await account.take_jobs()]
    assert sorted(queued) == sorted(uploaded)
    assert (await account.state()).failure is None


async def test_videos_listed_before_a_failure_are_not_unlisted_afterwards(account: Account) -> None:
    await account.upload_with_documents(60)
    account.page_size = 50
    await account.service.fault(operation="ListVideos", kind="status", status=403, errorType="FORBIDDEN")
    with pytest.raises(MisconfiguredError):
        await account.run()  # before the first page
    account.before_page = fail_beyond_the_first(MisconfiguredError("access revoked"))
    with pytest.raises(MisconfiguredError):
        await account.run()
    account.before_page = _nothing
    assert by_reason(await account.run()) == {}


async def test_a_window_is_swept_while_a_full_sweep_fails(account: Account) -> None:
    await account.upload_with_documents(60)
    await account.run()
    account.pass_time(DAY + QUARTER)
    await account.run()
    account.pass_time(DAY)
    account.page_size = 50
    account.before_page = fail_beyond_the_first(TransientError("unavailable"))
    with pytest.raises(TransientError):
        await account.run()
    account.pass_time(QUARTER)
    (new,) = await account.upload()
    with pytest.raises(TransientError):
        await account.run()
    assert [job.video_id for job in await account.take_jobs()] == [new]
    state = await account.state()
    assert state.last is not None
    assert (state.last.sweep, state.last.missing) == ("window", 1)


async def test_no_video_is_missed_if_the_list_changes_during_a_sweep(account: Account) -> None:
    uploaded = await account.upload(150)
    account.page_size = 50
    gone: list[str] = []

    async def change(page: ListPage) -> None:
        if len(gone) < 60:  # more than the overlap, and all of them were listed before
            for video in page.videos[:30]:
                await account.remove(video.id)
                gone.append(video.id)
        else:
            await account.upload()

    account.after_page = change
    result = await account.run()
    queued = {job.video_id for job in await account.take_jobs()}
    assert set(uploaded) - set(gone) <= queued
    assert result.pages < 20


async def test_a_second_run_at_the_same_time_does_nothing(account: Account) -> None:
    await account.upload(3)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(_: int) -> None:
        entered.set()
        await leave.wait()

    account.before_page = wait
    first = asyncio.create_task(account.reconciliation().reconcile(account.now()))
    await entered.wait()
    async with asyncio.timeout(30):
        assert await account.reconciliation().reconcile(account.now()) == []
    leave.set()
    (result,) = await first
    assert result.missing == 3
    assert len(await account.take_jobs()) == 3
    assert len(await account.reconciliation().reconcile(account.now())) == 1  # the lease was released


async def test_one_of_many_first_runs_gets_the_lease(account: Account) -> None:
    blob = account.control.get_blob_client(RECONCILIATION_LOCK_BLOB)
    outcomes: list[bool] = []
    all_tried = asyncio.Barrier(8)

    async def hold() -> None:
        async with lease.try_acquire(blob) as acquired:
            outcomes.append(acquired)
            await all_tried.wait()

    await asyncio.gather(*(hold() for _ in range(8)))
    assert Counter(outcomes) == {False: 7, True: 1}


async def test_a_run_that_lost_its_lease_cannot_overwrite_the_state(account: Account) -> None:
    await account.upload(60)
    account.page_size = 50

    async def lose_the_lease(skip: int) -> None:
        if skip:
            account.before_page = _nothing
            await BlobLeaseClient(account.control.get_blob_client(RECONCILIATION_LOCK_BLOB)).break_lease(0)
            assert (await account.run()).listed == 60

    account.before_page = lose_the_lease
    with pytest.raises(ConflictError):
        await account.run()
    state = await account.state()
    assert state.full is None
    assert state.last is not None
    assert (state.last.sweep, state.failure) == ("full", None)


async def test_an_unreadable_state_leads_to_a_full_sweep(account: Account) -> None:
    await account.control.upload_blob(RECONCILIATION_BLOB, b'{"stateVersion": 2}')
    await account.upload()
    assert (await account.run()).sweep == "full"
    assert (await account.state()).last is not None


async def test_two_thousand_videos_take_seconds_and_few_requests(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    missing, many = 7, 2000
    ids = await account.upload(many)
    moment = account.now().isoformat()
    slots = asyncio.Semaphore(32)

    async def store(video_id: str) -> None:
        async with slots:
            await account.documents.upload_blob(
                f"{account.world.account_id}/{video_id}.json",
                b"{}",
                metadata={"version": "1", "published": "1", "asof": moment},
            )

    await asyncio.gather(*(store(video_id) for video_id in ids[missing:]))
    account.service.requests.clear()
    began = time.perf_counter()
    with caplog.at_level("INFO", "azure.core.pipeline.policies.http_logging_policy"):
        result = await account.run()
    took = time.perf_counter() - began
    to_storage = Counter(
        httpx.URL(message.split("'")[1]).path.split("/")[2].removesuffix(account.world.account_id[:8])
        for record in caplog.records
        if (message := record.getMessage()).startswith("Request URL")
    )
    assert by_reason(result) == {"missing": missing}
    assert len(account.lists()) == 3
    # Two listings of a thousand; the lease, the state, the listed videos, the interests; one message a job.
    assert to_storage == {"keywords": 2, "control-": 15, "jobs-": missing}
    assert took < 30  # 1.5 s on an idle machine
    queued = {job.video_id for job in await account.take_jobs()}
    assert queued == set(ids[:missing])


async def test_a_document_matched_with_an_old_file_after_an_edit_is_rematched(
    account: Account,
) -> None:
    early, late = await account.upload_with_documents(2)
    old = {"interests": "0" * 16}
    edited = datetime(2026, 3, 2, 9, tzinfo=UTC)
    await account.change_metadata(early, **old, matchedat=(edited - timedelta(minutes=6)).isoformat())
    await account.change_metadata(late, **old, matchedat=(edited + timedelta(seconds=15)).isoformat())
    status = InterestStatus(
        etag="1", interests=1, problem=None, read_at=account.now(), stamp="1" * 16, modified_at=edited
    )
    await Note(account.control.get_blob_client(INTERESTS_STATUS_BLOB), InterestStatus).write(status)
    await account.run(full=True)
    assert account.rematched == [late]
    # A full rematch should have reached both.
    full = FullRematch(interests_stamp="1" * 16, at=account.now())
    await Note(account.control.get_blob_client(FULL_REMATCH_BLOB), FullRematch).write(full)
    account.rematched.clear()
    await account.run(full=True)
    assert account.rematched == sorted([early, late])


class Backfill:
    """Runs a backfill page by page, as the queue's function does."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.pages = BackfillPages(account.sweep("backfill"), account.metadata, account.backfills)

    async def take_page(self) -> BackfillPage | None:
        message = await self.account.pages.receive_message()
        if message is None:
            return None
        assert never_expires(message)
        await self.account.pages.delete_message(message)
        return decode_page(base64.b64decode(message.content))

    async def run(self, **request: Any) -> BackfillStatus:
        operation_id = uuid.uuid4().hex
        await self.account.start_backfill(operation_id, BackfillRequest(**request))
        while page := await self.take_page():
            await self.pages.compare_page(page)
        found = await self.account.backfills.read(operation_id)
        assert found is not None
        status = status_of(*found)
        assert status.done
        return status


async def test_a_backfill_queues_missing_videos_only(account: Account) -> None:
    await account.upload_with_documents(60)
    missing = await account.upload(70)
    account.page_size = 50
    would = await Backfill(account).run(dry_run=True)
    assert (would.found, would.missing, would.listed, would.dry_run) == (70, 70, 130, True)
    assert await account.take_jobs() == []
    did = await Backfill(account).run()
    assert (did.found, did.pages, did.dry_run) == (70, would.pages, False)
    done = await account.do_jobs()
    assert sorted(job.video_id for job in done) == sorted(missing)
    assert {job.signal for job in done} == {"backfill"}
    assert (await Backfill(account).run()).found == 0


async def test_a_backfill_of_a_period_covers_videos_created_in_it(account: Account) -> None:
    await account.upload()
    account.pass_time(DAY)
    began = account.now()
    (meant,) = await account.upload()
    account.pass_time(DAY)
    await account.upload()
    status = await Backfill(account).run(created_from=began, created_to=began + DAY)
    assert (status.listed, status.found) == (1, 1)
    assert [job.video_id for job in await account.take_jobs()] == [meant]
    await account.service.fault(operation="ListVideos", kind="unfiltered")
    assert (await Backfill(account).run(created_from=began, created_to=began + DAY)).found == 1


async def test_a_backfill_of_a_large_account_reads_the_status_of_each_video(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_pages, "MAX_KEPT_STATUSES", 3)
    unpublished, *_ = await account.upload_with_documents(4)
    await account.change_metadata(unpublished, sent="0")
    (missing,) = await account.upload()
    status = await Backfill(account).run()
    assert (status.missing, status.unpublished) == (1, 1)
    assert {job.video_id for job in await account.take_jobs()} == {missing, unpublished}


async def test_a_page_with_a_result_does_not_run_again(account: Account) -> None:
    await account.upload(60)
    account.page_size = 50
    backfill = Backfill(account)
    await account.start_backfill(uuid.uuid4().hex, BackfillRequest())
    page = await backfill.take_page()
    assert page is not None
    await backfill.pages.compare_page(page)
    await backfill.pages.compare_page(page)
    assert len(await account.take_jobs()) == 50
    assert await backfill.take_page() is not None
    assert await backfill.take_page() is None


async def test_a_failed_page_can_run_again(account: Account) -> None:
    await account.upload()
    backfill = Backfill(account)
    await account.start_backfill(uuid.uuid4().hex, BackfillRequest())
    page = await backfill.take_page()
    assert page is not None
    await account.service.fault(operation="ListVideos", kind="status", status=503, count=3)
    with pytest.raises(TransientError):
        await backfill.pages.compare_page(page)
    assert await account.take_jobs() == []
    await backfill.pages.compare_page(page)
    assert len(await account.take_jobs()) == 1


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


async def test_a_lost_callback_is_healed_by_the_timer(stack: LocalStack, http: httpx.AsyncClient) -> None:
    """Its list requests are backfill, the job that it queues is live."""
    began = time.time()
    video_id = await upload(stack, http, index([keyword("one")]), NOBODY)
    await indexed(stack, http, video_id)
    key = {"x-functions-key": stack.master_key}
    answer = await http.post(f"{stack.host.url}/admin/functions/reconciliation", json={}, headers=key)
    assert answer.status_code == 202
    assert [kept["text"] for kept in (await document(stack, video_id))["keywords"]] == ["one"]
    ledger = await quota(stack)
    assert any(slot > began for slot in ledger.backfill)
    assert {slot for slot in ledger.slots if slot > began} - set(ledger.backfill)
    assert done_by(stack, video_id) == "extraction"


async def quota(stack: LocalStack) -> Ledger:
    blob = stack.storage.blobs.get_blob_client(CONTROL_CONTAINER, QUOTA_BLOB)
    return quota_ledger.decode(await (await blob.download_blob()).readall())


def done_by(stack: LocalStack, video_id: str) -> str:
    """Return the function that published the video."""
    line = re.search(
        rf"^\[function:(\w+)\S*\] .* video={video_id} .*outcome=published", stack.host.logs(), re.MULTILINE
    )
    assert line, stack.host.logs()
    return line[1]


async def test_as_of_is_the_time_of_the_request_on_video_indexers_clock(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    video_id = await upload(stack, http, index([keyword("three")]))
    asked = datetime.fromisoformat((await document(stack, video_id))["extractedAt"])
    blob = stack.storage.blobs.get_blob_client(
        KEYWORDS_CONTAINER, f"{stack.emulator.account_id}/{video_id}.json"
    )
    as_of = datetime.fromisoformat((await blob.get_blob_properties()).metadata["asof"])
    assert MARGIN <= asked - as_of < 2 * MARGIN


async def test_a_backfill_is_started_and_its_status_read_by_http(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    video_id = await upload(stack, http, index([keyword("two")]), NOBODY)
    await indexed(stack, http, video_id)
    url, key = f"{stack.host.url}/api/operations/backfill", {"x-functions-key": stack.function_key}

    async def backfilled(body: dict[str, Any]) -> dict[str, Any]:
        answer = await http.post(url, json={"from": began.isoformat()} | body, headers=key)
        assert answer.status_code == 202
        assert answer.json()["dryRun"] is body.get("dryRun", False)

        async def look() -> Any:
            status = await http.get(f"{stack.host.url}{answer.headers['Location']}", headers=key)
            assert status.status_code == 200
            return status.json() if status.json()["done"] else None

        found: dict[str, Any] = await eventually(look, "the backfill is done", stack.host.logs)
        return found

    would = await backfilled({"dryRun": True})
    assert (would["found"], would["listed"], would["pages"]) == (1, 1, 1)
    assert (await backfilled({}))["missing"] == 1
    assert [kept["text"] for kept in (await document(stack, video_id))["keywords"]] == ["two"]
    assert done_by(stack, video_id) == "backfill"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"not json",
        b'{"from": "yesterday"}',
        b'{"from": "2026-03-02T09:00:00"}',
        b'{"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T09:00:00Z"}',
        b'{"since": "2026-03-02T09:00:00Z"}',
        b'{"dryRun": 1}',
        b"\xff",
    ],
)
async def test_an_invalid_backfill_request_is_a_400(
    stack: LocalStack, http: httpx.AsyncClient, body: bytes
) -> None:
    key = {"x-functions-key": stack.function_key}
    answer = await http.post(f"{stack.host.url}/api/operations/backfill", content=body, headers=key)
    assert answer.status_code == 400
    assert "not a backfill" in answer.json()["error"]


@pytest.mark.parametrize("operation_id", ["0" * 32, "x", "..%2F..%2Fx"])
async def test_the_status_of_an_unknown_backfill_is_a_404(
    stack: LocalStack, http: httpx.AsyncClient, operation_id: str
) -> None:
    key = {"x-functions-key": stack.function_key}
    answer = await http.get(f"{stack.host.url}/api/operations/backfill/{operation_id}", headers=key)
    assert answer.status_code == 404

"""The quota gate on real storage. Several gates, each with a client of its own, act as several processes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from keywire.storage.layout import CONTROL_CONTAINER
from keywire.video_indexer import quota_ledger
from keywire.video_indexer.errors import ThrottledError, TransientError
from keywire.video_indexer.gate import Gate, OpenGate
from keywire.video_indexer.quota_gate import QuotaGate
from keywire.video_indexer.quota_ledger import Lane, Ledger
from local.storage import InsightsStorage


class CountingBlob:
    """A blob client that counts its requests, and whose writes take `write_seconds` longer."""

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self.container_name, self.blob_name = blob.container_name, blob.blob_name
        self.reads = self.writes = 0
        self.write_seconds = 0.0

    async def download_blob(self, **options: Any) -> Any:
        self.reads += 1
        return await self._blob.download_blob(**options)

    async def upload_blob(self, body: bytes, **options: Any) -> Any:
        self.writes += 1
        written = await self._blob.upload_blob(body, **options)
        await asyncio.sleep(self.write_seconds)
        return written


class ContestedBlob(CountingBlob):
    """A blob client of a ledger that another process changes after each read."""

    async def download_blob(self, **options: Any) -> Any:
        downloaded = await super().download_blob(**options)
        ledger = Ledger(slots=(float(self.reads),))
        await self._blob.upload_blob(quota_ledger.encode(ledger), overwrite=True)
        return downloaded


class Account:
    """A ledger of its own, and a clock that a test can advance."""

    def __init__(self, insights: InsightsStorage) -> None:
        self._insights = insights
        self._name = f"quota-{uuid.uuid4().hex}.json"
        self.ahead = 0.0

    def clock(self) -> float:
        return time.time() + self.ahead

    def blob(self, container: str = CONTROL_CONTAINER) -> CountingBlob:
        return CountingBlob(self._insights.blobs.get_blob_client(container, self._name))

    def gate(self, blob: CountingBlob | None = None, **options: Any) -> QuotaGate:
        client: Any = blob or self.blob()
        return QuotaGate(client, clock=self.clock, **options)

    async def body(self) -> bytes:
        return bytes(await (await self.blob().download_blob()).readall())

    async def ledger(self) -> Ledger:
        return quota_ledger.decode(await self.body())

    async def write(self, body: bytes) -> None:
        await self.blob().upload_blob(body, overwrite=True)

    async def use_up(self) -> None:
        """Use up the minute's quota for the next 31 seconds."""
        await self.write(quota_ledger.encode(Ledger(slots=(self.clock() - 30,) * 120)))


@pytest.fixture
async def account(insights: InsightsStorage) -> AsyncIterator[Account]:
    yield Account(insights)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "quota" in repr(task.get_coro())], "a gate left a background task"


async def passes(gate: Gate, lane: Lane = "live") -> bool:
    try:
        await gate.wait(lane)
    except ThrottledError:
        return False
    return True


async def test_three_processes_stay_below_ten_a_second_together(account: Account) -> None:
    """A job that would wait longer than `max_wait_seconds` is deferred, and no slot is lost by that."""
    blobs = [account.blob() for _ in range(3)]
    gates = [account.gate(blob, max_wait_seconds={"live": 2.5, "backfill": 2.5}) for blob in blobs]
    sent: list[float] = []

    async def job(gate: QuotaGate) -> bool:
        passed = await passes(gate)
        if passed:
            sent.append(time.time())
        return passed

    started = time.time()
    passed = await asyncio.gather(*(job(gates[number % 3]) for number in range(60)))

    assert time.time() - started < 4
    assert all(sum(0 <= other - one < 1 for other in sent) <= 10 for one in sent)
    assert 10 <= sum(passed) <= len((await account.ledger()).slots) <= 20
    # A gate that reads the ledger for every job would need sixty reads.
    assert sum(blob.reads for blob in blobs) <= 24
    assert sum(blob.writes for blob in blobs) <= 24


async def test_a_429_in_one_process_trips_the_gate_of_all(account: Account) -> None:
    one, other = account.gate(), account.gate()
    assert await passes(other)

    await one.trip(account.clock() + 30)

    for gate in (one, other):
        with pytest.raises(ThrottledError) as caught:
            await gate.wait("live")
        assert caught.value.retry_after == pytest.approx(30, abs=1)
    account.ahead += 30.1
    assert await passes(one)
    assert await passes(other)


async def test_a_misconfiguration_trips_all_gates_with_its_reason(account: Account) -> None:
    one, other = account.gate(), account.gate()
    assert await passes(other)
    await other.check()
    await one.trip(account.clock() + 60, reason="403: grant this")
    for gate in (one, other, account.gate()):
        for call in (gate.check(), gate.wait("live"), gate.wait("backfill")):
            with pytest.raises(ThrottledError, match="403: grant this") as caught:
                await call
            assert caught.value.reason == "403: grant this"
            assert caught.value.retry_after == pytest.approx(60, abs=1)
    account.ahead += 60.1
    await other.check()
    assert await passes(other)
    await account.use_up()
    with pytest.raises(ThrottledError) as caught:
        await other.wait("live")
    assert caught.value.reason == ""


async def test_a_429_also_stops_a_job_that_has_a_slot(account: Account) -> None:
    """In the process that got the 429, at once."""
    gate = account.gate()
    now = account.clock()
    await account.write(quota_ledger.encode(Ledger(slots=(now - 1.1,) * 10)))  # room in 0.9 s
    waiting = asyncio.create_task(passes(gate))
    while not (await account.ledger()).slots[-1] > now:
        await asyncio.sleep(0)
    await gate.trip(account.clock() + 30)
    assert not await waiting


async def test_a_shorter_429_does_not_shorten_a_longer_one(account: Account) -> None:
    gate = account.gate()
    until = account.clock() + 30
    await gate.trip(until)
    await gate.trip(until - 25)
    assert (await account.ledger()).blocked_until == until
    assert not await passes(gate)


async def test_a_job_that_would_wait_too_long_gets_retry_after_and_no_slot(account: Account) -> None:
    await account.use_up()
    before = await account.ledger()
    blob = account.blob()
    gate = account.gate(blob)
    for _ in range(20):
        with pytest.raises(ThrottledError) as caught:
            await gate.wait("live")
    assert caught.value.retry_after == pytest.approx(31, abs=1)
    assert (await account.ledger()).slots == before.slots
    assert blob.reads == 1, "the gate knows that no slot is free yet"
    other_blob = account.blob()
    assert not await passes(account.gate(other_blob))
    assert other_blob.writes == 0, "the ledger did not change"
    account.ahead += 31
    assert await passes(gate)


async def test_a_backfill_job_waits_longer_than_a_live_job(account: Account) -> None:
    """Deferring it again and again costs more than waiting, and it is not urgent."""
    gate = account.gate(max_wait_seconds={"live": 0.1, "backfill": 10.0})
    await account.write(quota_ledger.encode(Ledger(slots=(account.clock() - 58.5,) * 120)))
    assert await passes(gate, "backfill")
    await account.write(quota_ledger.encode(Ledger(slots=(account.clock() - 58.5,) * 120)))
    assert not await passes(gate)


async def test_a_backfill_job_does_not_wait_for_a_distant_slot(account: Account) -> None:
    await account.use_up()
    async with asyncio.timeout(5):
        assert not await passes(account.gate(), "backfill")


async def test_retry_after_of_a_backfill_job_grows_with_the_jobs_that_wait(
    account: Account,
) -> None:
    gate = account.gate(backfill_share=0.5, max_wait_seconds={"live": 1.0, "backfill": 1.0})
    waits = await asyncio.gather(*(gate.wait("backfill") for _ in range(20)), return_exceptions=True)
    left = [error.retry_after for error in waits if isinstance(error, ThrottledError)]
    assert len(left) >= 15
    # One slot a second for each job that waited at that moment.
    assert max(left) == pytest.approx(len(left) * 61 / 60)
    assert min(left) == pytest.approx(61 / 60)


async def test_waiting_live_jobs_of_one_process_delay_backfill_in_another(account: Account) -> None:
    await account.use_up()
    live, backfill = (
        account.gate(max_wait_seconds={"live": 0.1, "backfill": 0.1}),
        account.gate(max_wait_seconds={"live": 0.1, "backfill": 0.1}),
    )
    assert not await passes(live)
    account.ahead += 31
    assert not await passes(backfill, "backfill")
    assert await passes(live)
    account.ahead += 1
    assert await passes(backfill, "backfill")


async def test_slots_for_all_waiting_jobs_cost_one_read_and_one_write(account: Account) -> None:
    blob = account.blob()
    gate = account.gate(blob)
    await asyncio.gather(*(gate.wait("live") for _ in range(7)))
    assert len((await account.ledger()).slots) == 7
    assert (blob.reads, blob.writes) == (1, 1)
    await gate.wait("live")
    assert len((await account.ledger()).slots) == 8


async def test_a_missed_slot_is_never_used(account: Account) -> None:
    """A busy event loop wakes its waiters late; by then other processes may have used the slot's window."""
    now = account.clock()
    await account.write(quota_ledger.encode(Ledger(slots=(now - 1.5,) * 10)))  # room in 0.5 s
    waiting = asyncio.create_task(passes(account.gate()))
    while not (await account.ledger()).slots[-1] > now:
        await asyncio.sleep(0)
    account.ahead += 5
    assert await waiting
    assert [slot > now + 5 for slot in (await account.ledger()).slots[10:]] == [False, True]


async def test_an_idle_gate_sends_no_request(account: Account) -> None:
    """Before its first job and after its last one."""
    blob = account.blob()
    gate = account.gate(blob)
    assert (blob.reads, blob.writes) == (0, 0)
    assert await passes(gate)
    await asyncio.sleep(0.3)
    assert (blob.reads, blob.writes) == (1, 1)


async def test_the_ledger_never_grows(account: Account) -> None:
    await account.use_up()
    size = len(await account.body())
    gate = account.gate()
    for _ in range(10):
        account.ahead += 31
        assert await passes(gate)
        assert await passes(gate, "backfill")
    assert len((await account.ledger()).slots) == 120
    assert len(await account.body()) <= size + 40 * 20


async def test_processes_that_start_together_create_one_ledger(account: Account) -> None:
    """The ledger does not exist yet, and only one process can create it."""
    gates = [account.gate() for _ in range(8)]
    assert all(await asyncio.gather(*(passes(gate) for gate in gates)))
    assert len((await account.ledger()).slots) == 8


async def test_a_cancelled_job_does_not_delay_others(account: Account) -> None:
    await account.write(quota_ledger.encode(Ledger(slots=(account.clock() - 1.7,) * 10)))
    blob = account.blob()
    gate = account.gate(blob)
    first, second, third = (asyncio.create_task(passes(gate)) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    assert await first
    assert await third
    assert second.cancelled()
    assert blob.writes == 1


async def test_after_one_slow_write_slots_are_requested_further_ahead(account: Account) -> None:
    """A slot that passed while the ledger was written is never used; the next request is for later slots."""
    blob = account.blob()
    blob.write_seconds = 0.45
    gate = account.gate(blob)
    assert await passes(gate)
    assert blob.writes == 2
    assert await passes(gate)
    assert blob.writes == 3


async def test_no_request_passes_while_storage_fails(account: Account) -> None:
    gate = account.gate(account.blob("no-such-container"))
    with pytest.raises(ResourceNotFoundError):
        await gate.wait("live")
    with pytest.raises(ResourceNotFoundError):
        await gate.trip(account.clock() + 30)
    assert not await passes(gate), "the process that was told to stop stops nevertheless"


async def test_a_ledger_that_changes_during_every_swap_is_a_transient_error(account: Account) -> None:
    await account.write(quota_ledger.encode(Ledger()))
    contested = ContestedBlob(account.blob()._blob)
    with pytest.raises(TransientError, match="10 swaps"):
        await account.gate(contested).wait("live")
    assert contested.writes == 10


async def test_a_broken_ledger_counts_as_a_full_minute(account: Account) -> None:
    await account.write(b'{"slots": [17724')
    gate = account.gate()
    with pytest.raises(ThrottledError) as caught:
        await gate.wait("live")
    assert caught.value.retry_after == pytest.approx(61, abs=1)
    account.ahead += 61
    assert await passes(account.gate())


async def test_an_open_gate_lets_every_request_pass() -> None:
    gate: Gate = OpenGate()
    await gate.trip(time.time() + 30)
    assert all([await passes(gate) for _ in range(100)])

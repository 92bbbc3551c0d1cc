"""Waiting until nothing moves any more: when the audit may begin.

Quiet is: Video Indexer has nothing under way, no queue holds a job (waiting or locked), the topic has nothing
left to deliver, and a reconciliation of the whole account, begun after that, found nothing to queue.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError

from local.chaos.logs import LogFolder
from local.chaos.watch import StalledError, Watcher
from local.stack import LocalStack

QUIET_SECONDS: Final = 300.0
JOB_QUEUES: Final = ("extraction", "backfill", "backfill-pages", "rematch")
_STATE: Final = ("control", "reconciliation.json")
_LOCK: Final = "reconciliation.lock"


@dataclass(kw_only=True)
class Quiet:
    """Waits for it.

    Attributes:
        sweeps: How many times reconciliation was made to look at the whole account.
    """

    stack: LocalStack
    http: httpx.AsyncClient
    watcher: Watcher
    log: LogFolder
    sweeps: int = 0
    _restless: list[str] = field(default_factory=list)

    async def faults_met(self, seconds: float) -> bool:
        """Whether all faults that were set have happened within `seconds`; those that have not never will."""
        try:
            await self.watcher.until(self._no_fault_is_left, "every fault has happened", seconds=seconds)
        except StalledError:
            met = False
        else:
            met = True
        for url in (self.stack.video_indexer_url, self.stack.event_grid_url):
            (await self.http.delete(f"{url}/emulator/faults")).raise_for_status()
        return met

    async def wait(self, *, seconds: float = QUIET_SECONDS) -> None:
        """Wait for quiet.

        Raises:
            StalledError: It did not come; the message says what still moves.
        """
        deadline = time.monotonic() + seconds

        async def is_idle() -> bool:
            restless = await self._what_moves()
            if restless != self._restless:
                self.log.note(f"not quiet: {'; '.join(restless)}" if restless else "nothing moves")
            self._restless = restless
            return not self._restless

        while True:
            left = deadline - time.monotonic()
            await self.watcher.until(is_idle, lambda: "; ".join(self._restless), seconds=left)
            result = await self._sweep(deadline)
            if result["queued"] == 0 and await is_idle():
                return

    async def _sweep(self, deadline: float) -> Mapping[str, Any]:
        """What a reconciliation of the whole account comes to that begins now."""
        began = datetime.now(UTC)
        found: dict[str, Any] = {}

        async def is_through() -> bool:
            state = await self._state()
            found.update(state.get("lastFull") or {})
            if found and datetime.fromisoformat(found["started"]) >= began:
                return True
            await self._let_a_day_pass(state, began)
            return False

        await self.watcher.until(
            is_through,
            lambda: f"a reconciliation of the whole account since {began:%H:%M:%S}; the last: {found}",
            seconds=deadline - time.monotonic(),
        )
        self.sweeps += 1
        self.log.note(f"a sweep of the whole account: {found}")
        return found

    async def _let_a_day_pass(self, state: dict[str, Any], began: datetime) -> None:
        """Make the next run look at the whole account, as it does once a day."""
        full_at, under_way = state.get("fullAt"), state.get("full")
        is_due = full_at is None or datetime.fromisoformat(full_at) < began - timedelta(days=1)
        if is_due or under_way:
            return
        container, name = _STATE
        control = self.stack.storage.blobs.get_container_client(container)
        try:
            # With the lease, a run that is under way is not disturbed.
            lease = await control.get_blob_client(_LOCK).acquire_lease(lease_duration=15)
            try:
                download = await control.get_blob_client(name).download_blob()
                state = json.loads(await download.readall())
                state["fullAt"] = (began - timedelta(days=2)).isoformat()
                await control.get_blob_client(name).upload_blob(
                    json.dumps(state).encode(),
                    overwrite=True,
                    etag=download.properties.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            finally:
                await lease.release()
        except AzureError:
            return  # a run is under way: the next look comes after it

    async def _state(self) -> dict[str, Any]:
        container, name = _STATE
        try:
            download = await self.stack.storage.blobs.get_blob_client(container, name).download_blob()
        except ResourceNotFoundError:
            return {}
        state: dict[str, Any] = json.loads(await download.readall())
        return state

    async def _no_fault_is_left(self) -> bool:
        left = [
            (await self.http.get(f"{url}/emulator/faults")).json()
            for url in (self.stack.video_indexer_url, self.stack.event_grid_url)
        ]
        return left == [[], []]

    async def _what_moves(self) -> list[str]:
        moving = []
        health = (await self.http.get(f"{self.stack.video_indexer_url}/emulator/health")).json()
        if health["indexing"]:
            moving.append(f"{health['indexing']} indexings or callbacks go on")
        for name in JOB_QUEUES:
            properties = await self.stack.storage.queues.get_queue_client(name).get_queue_properties()
            if properties.approximate_message_count:
                moving.append(f"the queue {name} has {properties.approximate_message_count} messages")
        told = (await self.http.get(f"{self.stack.event_grid_url}/emulator/subscriptions")).json()
        moving += [
            f"{each['pending']} deliveries to {each['name']} are due" for each in told if each["pending"]
        ]
        return moving

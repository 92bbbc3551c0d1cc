"""A run: the stack, the videos' lives and the disturbances at the same time, then quiet, then the audit."""

import asyncio
import contextlib
import dataclasses
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT
from local.chaos.audit import audit, decoded
from local.chaos.context import Stage
from local.chaos.disturbances import BROKEN_INTERESTS_LINE, EXTRACTION
from local.chaos.fault_kinds import Kind
from local.chaos.leaks import Secrets
from local.chaos.logs import LogFolder
from local.chaos.plan import ENOUGH_VIDEOS, Plan
from local.chaos.report import Report
from local.chaos.snapshot import Snapshot
from local.chaos.subscriber import Subscriber
from local.chaos.watch import Watcher
from local.stack import ACCOUNT, LocalStack

INDEXING_SECONDS: Final = 3.0
# How long a killed process's messages stay locked: ten minutes in Azure.
LOCK_SECONDS: Final = 15
FAULTS_SECONDS: Final = 90.0
TELL_SECONDS: Final = 5.0
# Of the app that a run has; its module, which changes Keywire, is imported in the functions' processes only.
LIMITS_SETTING: Final = "KEYWIRE_CHAOS_LIMITS"
# Both sides of Video Indexer's limits are multiplied by this, see `app`.
LIMITS: Final = 5

SETTINGS: Final = {
    LIMITS_SETTING: str(LIMITS),
    "FUNCTIONS_HOST_LOCK_SECONDS": str(LOCK_SECONDS),
    # What is never logged is not logged at any level.
    "FUNCTIONS_HOST_LOG_LEVEL": "DEBUG",
}


class Told:
    """Who is told how a run goes on; nobody, unless somebody else takes its place."""

    def phase(self, text: str) -> None:
        """A part begins."""

    def progress(self, text: str) -> None:
        """How far it is."""


@dataclass(kw_only=True)
class Run:
    """One run of a plan.

    Attributes:
        plan: What is to happen.
        folder: Where its logs go.
        told: Who hears of it.
        before_audit: Called when it is quiet, for whoever wants to see the audit find something.
        snapshot: What was found; there after `report`.
    """

    plan: Plan
    folder: Path
    told: Told = field(default_factory=Told)
    before_audit: Callable[[LocalStack], Awaitable[None]] | None = None
    snapshot: Snapshot = field(init=False)

    async def report(self) -> Report:
        """Do it and say what came of it.

        Raises:
            StalledError: It did not become quiet.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(LogFolder(self.folder, BROKEN_INTERESTS_LINE)) as log:
            self.told.phase("starting the stack")
            async with self._stage(log) as stage:
                seconds = await self._play(stage)
                if self.before_audit is not None:
                    await self.before_audit(stage.stack)
                self.snapshot = await stage.collect()
                faults = await stage.faults()
                secrets, secrets_of_logs = stage.secrets(in_logs=False), stage.secrets(in_logs=True)
            # By now the processes have said their last words.
            leaks = [
                *(leak for file in log.files for leak in secrets_of_logs.in_file(file)),
                *_leaks(secrets, self.snapshot),
            ]
        complete = len(self.plan.videos) >= ENOUGH_VIDEOS and self.plan.disturbances
        return Report(
            videos=len(self.plan.videos),
            audit=audit(self.snapshot),
            faults=faults,
            seconds=seconds,
            leaks=tuple(leaks),
            unmet=tuple(kind for kind in Kind if complete and not faults[kind]),
        )

    @contextlib.asynccontextmanager
    async def _stage(self, log: LogFolder) -> AsyncIterator[Stage]:
        directory = self.folder / "app"
        directory.mkdir()
        shutil.copy(PROJECT / "host.json", directory)
        (directory / "function_app.py").write_text("from local.chaos.app import app\n")
        emulator = dataclasses.replace(
            ACCOUNT,
            seed=self.plan.seed,
            indexing_seconds=INDEXING_SECONDS,
            requests_per_second=10 * LIMITS,
            requests_per_minute=120 * LIMITS,
        )
        stack = LocalStack(
            app_directory=directory,
            emulator=emulator,
            instances={EXTRACTION: 2},
            settings=SETTINGS | {"RECONCILIATION_SCHEDULE": _schedule(len(self.plan.videos))},
            diagnostics=True,
            on_disk=True,
            log=log,
        )
        async with stack, stack.client() as http, Watcher(stack, http).looking() as watcher:
            subscriber = Subscriber()
            async with subscriber.listening() as endpoint:
                stage = Stage.of(stack, http, watcher, subscriber, log)
                await stage.prepare(endpoint)
                yield stage

    async def _play(self, stage: Stage) -> float:
        """Let everything happen and become quiet; how long that took, in seconds."""
        began = time.monotonic()
        self.told.phase(f"{len(self.plan.videos)} videos in {self.plan.seconds:.0f} s, and what goes wrong")
        async with _telling(lambda: self.told.progress(str(stage))):
            await self._follow(stage, began)
            met = await stage.quiet.faults_met(FAULTS_SECONDS)
            self.told.phase("every fault has happened" if met else "faults that have not happened are off")
            await stage.quiet.wait()
        self.told.phase(f"quiet after {stage.quiet.sweeps} sweeps of the whole account")
        return time.monotonic() - began

    async def _follow(self, stage: Stage, began: float) -> None:
        """Let everything happen at its moment; what fails ends the run."""

        async def at(moment: float, work: Callable[[], Awaitable[None]]) -> None:
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            await work()

        try:
            async with asyncio.TaskGroup() as tasks:
                for video in self.plan.videos:
                    tasks.create_task(at(video.at, partial(stage.lives.live, video)))
                for each in self.plan.disturbances:
                    tasks.create_task(at(each.at, partial(stage.disturbances.run, each)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors


def _schedule(videos: int) -> str:
    """When reconciliation runs: often, but not all the time, and it asks storage about each video."""
    return "*/10 * * * * *" if videos <= 300 else "*/30 * * * * *" if videos <= 1000 else "0 * * * * *"


@contextlib.asynccontextmanager
async def _telling(tell: Callable[[], None]) -> AsyncIterator[None]:
    async def run() -> None:
        while True:
            tell()
            await asyncio.sleep(TELL_SECONDS)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _leaks(secrets: Secrets, snapshot: Snapshot) -> Iterator[str]:
    """What is found in documents, events and poison."""
    for video_id, document in snapshot.documents.items():
        yield from secrets.in_text(f"the document of {video_id}", document.body)
    for path, body in snapshot.history.items():
        yield from secrets.in_text(path, body)
    for body in snapshot.delivered:
        yield from secrets.in_text("an event at the subscriber", body)
    for queue, messages in {"personalization-events": snapshot.queued, **snapshot.poison}.items():
        for text in messages:
            yield from secrets.in_text(f"a message on {queue}", decoded(text))

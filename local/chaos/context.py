"""Everything that a run works with while the stack is up, and what it gets from there in the end."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import httpx

from local.chaos import collect, contents, fault_kinds
from local.chaos.disturbances import FORGED_BODY, Disturbances
from local.chaos.fault_kinds import Kind
from local.chaos.leaks import Secrets
from local.chaos.logs import LogFolder
from local.chaos.scenarios import PERSON, Lives
from local.chaos.settle import Quiet
from local.chaos.snapshot import Snapshot
from local.chaos.subscriber import Subscriber
from local.chaos.watch import Watcher
from local.stack import LocalStack


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stack with those who act on it and those who look at it."""

    stack: LocalStack
    http: httpx.AsyncClient
    watcher: Watcher
    subscriber: Subscriber
    lives: Lives
    disturbances: Disturbances
    quiet: Quiet

    @classmethod
    def of(
        cls,
        stack: LocalStack,
        http: httpx.AsyncClient,
        watcher: Watcher,
        subscriber: Subscriber,
        log: LogFolder,
    ) -> Self:
        """On a stack that is up."""
        lives = Lives(
            stack=stack,
            http=http,
            uploader=stack.uploader(http),
            watcher=watcher,
            log=log,
            base_url=stack.host.url,
            log_url=stack.log_url,
        )
        return cls(
            stack=stack,
            http=http,
            watcher=watcher,
            subscriber=subscriber,
            lives=lives,
            disturbances=Disturbances(stack=stack, http=http, log=log, lives=lives),
            quiet=Quiet(stack=stack, http=http, watcher=watcher, log=log),
        )

    def __str__(self) -> str:
        """How far it is."""
        happened = self.disturbances.happened
        killed = sum(count for kind, count in happened.items() if kind.startswith("kill_"))
        return (
            f"{len(self.lives.seen)} videos uploaded, {len(self.watcher.published)} documents published, "
            f"{killed} processes killed, storage stopped {happened[Kind.STORAGE_STOPPED]} times"
        )

    async def prepare(self, endpoint: str) -> None:
        """What there is before the first video: interests, and a subscriber at `endpoint`."""
        blob = self.stack.storage.blobs.get_blob_client("config", "interests.json")
        await blob.upload_blob(contents.interests_file())
        wanted = {"endpoint": endpoint, "retrySeconds": [1], "deadLetter": True}
        url = f"{self.stack.event_grid_url}/emulator/subscriptions/everything"
        (await self.http.put(url, json=wanted)).raise_for_status()

    async def collect(self) -> Snapshot:
        """What is there when it is quiet."""
        return await collect.collect(
            self.stack,
            self.http,
            seen=self.lives.seen,
            references=self.lives.references,
            delivered=self.subscriber.delivered,
            unreadable_jobs=self.disturbances.unreadable_jobs,
            storage_stopped=self.disturbances.happened[Kind.STORAGE_STOPPED] > 0,
        )

    async def faults(self) -> Counter[Kind]:
        """How often each kind happened, as whoever it was done to saw it."""
        found = self.disturbances.happened.copy()
        for fault in await self._told(f"{self.stack.video_indexer_url}/emulator/faults/happened"):
            if kind := fault_kinds.of_fault(fault):
                found[kind] += fault["count"]
        for fault in await self._told(f"{self.stack.event_grid_url}/emulator/faults/happened"):
            found[Kind.TOPIC_FAILING] += fault["count"]
        counts = await self._told(f"{self.stack.video_indexer_url}/emulator/requests")
        # Every 401 is one of these: nothing else is wrong with Keywire's tokens.
        asked = (counts.get(operation, {}) for operation in ("GetVideoIndex", "ListVideos"))
        found[Kind.TOKEN_EXPIRED] += sum(count.get("401", 0) for count in asked)
        return found

    def secrets(self, *, in_logs: bool) -> Secrets:
        """What may be in no log, event or document; in logs, nothing of an answer of Video Indexer either."""
        tokens = [url.rpartition("/")[2] for url in self.lives.callback_urls]
        stack = self.stack
        return Secrets(
            {
                "the function key": [stack.function_key],
                "the master key": [stack.master_key],
                "the signing key": [stack.signing_key],
                "the identity endpoint's header": [stack.app_environment()["IDENTITY_HEADER"]],
                "a signed callback address": [*tokens, *(token.partition(".")[2] for token in tokens)],
                "a forged key or signature": self.disturbances.forged,
                "a person's name": [PERSON],
                "the body of a callback": [FORGED_BODY],
                "keywords of a video": [contents.UNLOGGED] if in_logs else [],
            }
        )

    async def _told(self, url: str) -> Any:
        return (await self.http.get(url)).json()

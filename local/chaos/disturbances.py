"""What goes wrong besides single videos, done to the stack: processes, storage, topic, interests, forgeries.

Each is noted when it has happened, as whoever it was done to saw it.
"""

import asyncio
import contextlib
import json
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from azure.core.exceptions import AzureError

from emulators.functions_host.functions import HTTP_GROUP
from emulators.functions_host.supervisor import HostProcess
from local.chaos import contents
from local.chaos.fault_kinds import FORGERIES, Kind
from local.chaos.logs import LogFolder
from local.chaos.plan import Disturbance
from local.chaos.scenarios import AGAIN_SECONDS, PATIENCE_SECONDS, PERSON, Lives
from local.stack import LocalStack

EXTRACTION: Final = "function:extraction"
RECONCILIATION: Final = "function:reconciliation"
# A process is killed while it works on a video; one that has nothing to do for so long, at once.
BUSY_SECONDS: Final = 4.0
_ANSWERED_LINE: Final = "GetVideoIndex status=200"
_WORK_SECONDS: Final = 0.08
DOWN_SECONDS: Final = 1.5
STORAGE_DOWN_SECONDS: Final = 2.0
# Interests are looked at every half minute, and by each process that starts.
NOTICE_SECONDS: Final = 45.0
BROKEN_SECONDS: Final = 8.0
_BROKEN_INTERESTS: Final = b'{"interests": [{"id": "half of it", '
# What a process logs that has met them.
BROKEN_INTERESTS_LINE: Final = "config/interests.json: "
# What a publisher meets: refusals that its client repeats, ending in a failed job, and connections that end.
_TOPIC_FAULTS: Final = ({"kind": "status", "status": 503, "count": 5}, {"kind": "reset", "count": 2})
FORGED_BODY: Final = "a body of no use that nobody may log"


@dataclass(kw_only=True)
class Disturbances:
    """Does what the plan has.

    Attributes:
        happened: How often each kind did, of those that no emulator counts.
        unreadable_jobs: What was put on the queue `extraction` and is no job.
        forged: Keys and signatures that were made up.
    """

    stack: LocalStack
    http: httpx.AsyncClient
    log: LogFolder
    lives: Lives
    happened: Counter[Kind] = field(default_factory=Counter)
    unreadable_jobs: list[str] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    _storage: asyncio.Lock = field(default_factory=asyncio.Lock)
    _killing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, disturbance: Disturbance) -> None:
        """Let it happen."""
        kind = disturbance.kind
        self.log.note(f"disturbance={kind} begins")
        if kind in FORGERIES:
            await self._forge(kind)
        else:
            actions: Mapping[Kind, Callable[[float], Awaitable[None]]] = {
                Kind.KILL_EXTRACTION: self._kill_extraction,
                Kind.KILL_HTTP: self._kill_http,
                Kind.KILL_OTHER: self._kill_other,
                Kind.STORAGE_STOPPED: self._stop_storage,
                Kind.TOPIC_FAILING: self._fail_topic,
                Kind.THROTTLED_429: self._throttle,
                Kind.TOKEN_EXPIRED: self._expire_tokens,
                Kind.ERROR_500: self._fail_list,
                Kind.INTERESTS_BROKEN: self._break_interests,
                Kind.JOB_UNREADABLE: self._send_unreadable_job,
            }
            await actions[kind](disturbance.choice)
        self.log.note(f"disturbance={kind} has happened")

    async def _kill_extraction(self, choice: float) -> None:
        """Kill it where that hurts most: after the answer that it got, before all is done with it."""

        async def is_busy(process: HostProcess) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUSY_SECONDS):
                    await self.log.line(process.child.name, _ANSWERED_LINE)
                    await asyncio.sleep(choice * _WORK_SECONDS)

        await self._kill(Kind.KILL_EXTRACTION, [EXTRACTION], choice, is_busy)

    async def _kill_http(self, choice: float) -> None:
        await self._kill(Kind.KILL_HTTP, [HTTP_GROUP], choice)

    async def _kill_other(self, choice: float) -> None:
        groups = sorted(self.stack.host.processes.keys() - {EXTRACTION, HTTP_GROUP, RECONCILIATION})
        await self._kill(Kind.KILL_OTHER, [*[RECONCILIATION] * len(groups), *groups], choice)

    async def _kill(
        self,
        kind: Kind,
        groups: list[str],
        choice: float,
        moment: Callable[[HostProcess], Awaitable[None]] | None = None,
    ) -> None:
        host = self.stack.host
        async with self._killing:
            running = [
                (group, place, process)
                for group in groups
                for place, process in enumerate(host.processes[group])
                if process.returncode is None
            ]
            if not running:
                return  # the one before is not back yet
            group, place, process = running[int(choice * len(running))]
            if moment is not None:
                await moment(process)
            await host.kill(group, place)
        self.happened[kind] += 1
        self.log.note(f"killed group={group} pid={process.pid}")
        await asyncio.sleep(DOWN_SECONDS)
        await host.start(group, port=_port(process))

    async def _stop_storage(self, choice: float) -> None:
        async with self._storage:
            azurite = self.stack.azurite
            await azurite.stop()
            self.happened[Kind.STORAGE_STOPPED] += 1
            await asyncio.sleep(STORAGE_DOWN_SECONDS * (0.5 + choice))
            await azurite.start()

    async def _fail_topic(self, choice: float) -> None:
        fault = _TOPIC_FAULTS[int(choice * len(_TOPIC_FAULTS))]
        (await self.http.post(f"{self.stack.event_grid_url}/emulator/faults", json=fault)).raise_for_status()

    async def _throttle(self, choice: float) -> None:
        fault = {"kind": "status", "status": 429, "retryAfter": 1}
        await self._video_indexer_faults(
            fault | {"operation": "GetVideoIndex", "count": 5 + int(choice * 5)},
            fault | {"operation": "ListVideos"},
        )

    async def _fail_list(self, _: float) -> None:
        await self._video_indexer_faults({"operation": "ListVideos", "kind": "status", "status": 500})

    async def _video_indexer_faults(self, *faults: Mapping[str, Any]) -> None:
        url = f"{self.stack.video_indexer_url}/emulator/faults"
        (await self.http.post(url, json=list(faults))).raise_for_status()

    async def _expire_tokens(self, _: float) -> None:
        url = f"{self.stack.video_indexer_url}/emulator/tokens/expire"
        (await self.http.post(url)).raise_for_status()

    async def _break_interests(self, _: float) -> None:
        """Break the file that is in force, wait until a process says so, and heal it."""
        blob = self.stack.storage.blobs.get_blob_client("config", "interests.json")
        await self._in_force()
        noticed_before = self.log.seen[BROKEN_INTERESTS_LINE]
        async with self._storage:
            await blob.upload_blob(_BROKEN_INTERESTS, overwrite=True)
        deadline = time.monotonic() + NOTICE_SECONDS
        await asyncio.sleep(BROKEN_SECONDS)
        while self.log.seen[BROKEN_INTERESTS_LINE] == noticed_before and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(AGAIN_SECONDS)
        self.happened[Kind.INTERESTS_BROKEN] += self.log.seen[BROKEN_INTERESTS_LINE] - noticed_before
        async with self._storage:
            await blob.upload_blob(contents.interests_file(), overwrite=True)

    async def _in_force(self) -> None:
        """Return when some process has made the interests its own: before, there are no last good ones."""
        copy = self.stack.storage.blobs.get_blob_client("control", "interests.json")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(AzureError):  # storage may be down
                    if await copy.exists():
                        return
                await asyncio.sleep(AGAIN_SECONDS)

    async def _send_unreadable_job(self, choice: float) -> None:
        text = json.dumps({"thisIs": "no job", "number": f"{len(self.unreadable_jobs)}-{choice:.12f}"})
        self.unreadable_jobs.append(text)
        async with self._storage:
            await self.stack.storage.queue("extraction").send_message(text, time_to_live=-1)
        self.happened[Kind.JOB_UNREADABLE] += 1

    async def _forge(self, kind: Kind) -> None:
        """Send what nobody may act on, until it is answered as it deserves: the process may be down."""
        path, parameters, deserved = self._forgery(kind)
        url = f"{self.lives.base_url}/api/video-indexer/callback{path}"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    answer = await self.http.post(url, params=parameters, content=FORGED_BODY)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code != 503:
                    break
                await asyncio.sleep(AGAIN_SECONDS)
        if answer.status_code != deserved:
            raise RuntimeError(f"{kind} was answered with {answer.status_code}, not with {deserved}")
        self.happened[kind] += 1

    def _forgery(self, kind: Kind) -> tuple[str, dict[str, str], int]:
        """The path and the query of a forged callback, and the answer that it deserves."""
        some_video = next(iter(self.lives.seen), "none-so-far")
        key, meant = {"code": self.stack.function_key}, {"id": some_video, "state": "Processed"}
        match kind:
            case Kind.CALLBACK_WRONG_KEY:
                self.forged.append(made_up := secrets.token_urlsafe(32))
                return "", {"code": made_up, **meant}, 401
            case Kind.CALLBACK_WRONG_SIGNATURE:
                self.forged.append(made_up := secrets.token_urlsafe(32))
                return f"/{self._signed_payload()}.{made_up}", meant, 401
            case Kind.CALLBACK_INVALID_ID:
                return "", {**key, **meant, "id": "../../control/quota"}, 400
            case Kind.CALLBACK_UNKNOWN_ID:
                return "", {**key, **meant, "id": f"never-{secrets.token_hex(4)}"}, 202
            case _:
                person = {"faceId": "1", "knownPersonId": str(uuid.uuid4()), "personName": PERSON}
                return "", {**key, "id": some_video, **person}, 200

    def _signed_payload(self) -> str:
        if not self.lives.callback_urls:
            return secrets.token_urlsafe(16)
        return self.lives.callback_urls[-1].rpartition("/")[2].partition(".")[0]


def _port(process: HostProcess) -> int:
    return urlsplit(process.url).port or 0 if process.url else 0

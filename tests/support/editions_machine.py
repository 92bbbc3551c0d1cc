"""One video, several processes, and every order of their requests: what consumers hold in the end must be right.

Each process has interests of its own, which may be old. A process may die at any request; its message is delivered
again. Consumers follow the recipe of docs/consume.md and get the events in any order, some of them twice.
"""

import asyncio
import contextvars
import json
import random
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from keywire.destinations.destinations import Destinations
from keywire.destinations.storage_queue import StorageQueue
from keywire.documents import document as documents
from keywire.extraction.extraction import Extraction
from keywire.interests.matching.matcher import Matcher
from keywire.interests.source import InterestSource
from keywire.interests.status import InterestStatus
from keywire.jobs.job import ExtractionJob
from keywire.operations.rematch import Rematch
from keywire.reconciliation.comparison import DocumentStatus
from keywire.reconciliation.interest_drift import behind
from keywire.storage.notes import Note
from keywire.versions.current import CurrentDocuments
from keywire.versions.history import History
from keywire.versions.outbox import Outbox
from keywire.versions.status import read_status
from keywire.video_indexer.errors import VIDEO_REMOVED, GoneError, TransientError
from tests.support.builders import ACCOUNT_ID, VIDEO_ID, index, keyword
from tests.support.etag_storage import EtagStorage, MemoryQueue, spin

PROCESSES: Final = 3
WORDS: Final = ("film", "robot", "harbour")
# What Video Indexer may say: a set of keywords, a failure, or nothing any more.
ANSWERS: Final[tuple[bytes | None, ...]] = (
    index([keyword("film")]),
    index([keyword("film"), keyword("robot")]),
    index([keyword("harbour"), keyword("robot", confidence=0.5)]),
    index(None, state="Failed", video={"failureCode": "InvalidInput"}),
    None,
)


def _file(*interests: tuple[str, float]) -> bytes:
    return json.dumps(
        {
            "interests": [
                {"id": word, "name": word, "anyOf": [word], "weight": weight} for word, weight in interests
            ]
        }
    ).encode()


FILES: Final = (
    _file(),
    _file(("film", 1.0)),
    _file(("film", 0.5), ("robot", 1.0)),
    _file(("robot", 1.0), ("harbour", 1.0)),
    _file(("film", 1.0), ("robot", 1.0), ("harbour", 1.0)),
)
BROKEN: Final = b'{"interests": [{"id": 5}]}'

_process: contextvars.ContextVar[int] = contextvars.ContextVar("process")


async def _compile(body: bytes) -> Matcher:
    return Matcher(body)


@dataclass(frozen=True)
class Message:
    """An extraction job (`only` is not used), or a rematch of some interests, or of all."""

    kind: str
    only: tuple[str, ...] | None = None
    dry_run: bool = False
    reference: str | None = None


class Stored(Protocol):
    """A blob."""

    body: bytes
    metadata: dict[str, str]


class Storage(Protocol):
    """What the machine needs of storage: clients whose requests wait at its gate, and access without them."""

    named: set[str]

    def now(self) -> datetime: ...
    def container(self, name: str) -> Any: ...
    def blobs(self, container: str) -> Mapping[str, Stored]: ...
    def put(self, container: str, name: str, body: bytes, metadata: dict[str, str] | None = None) -> None: ...
    def delete(self, container: str, name: str) -> None: ...


class _Answering:
    """Video Indexer, as it is now."""

    def __init__(self, machine: "EditionsMachine") -> None:
        self._machine = machine

    async def get_index(self, _: str) -> bytes:
        await self._machine.gate("ask")
        answer = self._machine.answer
        await self._machine.gate("ask")
        if answer is None:
            raise GoneError("gone", status=400, code=VIDEO_REMOVED)
        return answer


class EditionsMachine(RuleBasedStateMachine):
    """The machine; a subclass may replace a part by a faulty one."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.storage: Storage = self.new_storage()
        self.sent: list[bytes] = []
        self.answer: bytes | None = ANSWERS[0]
        self.pending: list[Message] = []
        self.running: dict[int, tuple[Message, asyncio.Task[Any]]] = {}
        self.gates: dict[int, list[asyncio.Future[None]]] = defaultdict(list)
        self.interests = {number: self.new_interests() for number in range(PROCESSES)}

    # Parts: a faulty model, or a machine on other storage, overrides one of them.

    def new_storage(self) -> "Storage":
        return EtagStorage(gate=self.gate)

    async def settle(self) -> None:
        """Let every process run until its next request."""
        await spin()

    def write_file(self, file: bytes) -> None:
        self.storage.put("config", "interests.json", file)

    def new_interests(self) -> InterestSource:
        config, control = self.storage.container("config"), self.storage.container("control")
        return InterestSource(
            file=config.get_blob_client("interests.json"),
            last_good=control.get_blob_client("interests.json"),
            status=Note(control.get_blob_client("interests-status.json"), InterestStatus),
            clock=self.storage.now,
            compile=_compile,
        )

    def new_outbox(self, interests: InterestSource) -> Outbox:
        queue: Any = MemoryQueue(self.gate, self.sent)
        return Outbox(
            documents=CurrentDocuments(self.storage.container("keywords"), ACCOUNT_ID),
            history=History(self.storage.container("keywords-history"), ACCOUNT_ID),
            destinations=Destinations({"queue": StorageQueue(queue)}),
            interests=interests,
            event_source="/account",
            clock=self.storage.now,
        )

    async def work(self, message: Message, interests: InterestSource) -> None:
        outbox = self.new_outbox(interests)
        if message.kind == "rematch":
            rematch = Rematch(outbox=outbox, interests=interests)
            await rematch.rematch(
                VIDEO_ID,
                await interests.current(),
                only=message.only,
                dry_run=message.dry_run,
                traceparent=None,
            )
            return
        job = ExtractionJob(
            video_id=VIDEO_ID,
            job_id="j",
            signal="callback",
            received_at=self.storage.now(),
            reference=message.reference,
        )
        extraction = Extraction(
            source=_Answering(self), outbox=outbox, account_id=ACCOUNT_ID, clock=self.storage.now
        )
        await extraction.extract(job)

    # Scheduling.

    async def gate(self, request: str) -> None:
        """Wait for the machine's turn. A dry run must not get to a request that tells somebody something."""
        process = _process.get(None)
        if process is None:
            return
        message, _ = self.running.get(process, (None, None))
        if message and message.dry_run:
            assert request not in ("set metadata", "send"), f"a dry run does: {request}"
        future = asyncio.get_running_loop().create_future()
        self.gates[process].append(future)
        await future

    def _run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def _start(self, process: int, message: Message) -> None:
        async def start() -> None:
            _process.set(process)
            task = asyncio.create_task(self.work(message, self.interests[process]))
            self.running[process] = (message, task)
            _process.set(-1)
            await self.settle()

        context = contextvars.copy_context()
        context.run(lambda: self._run(start()))
        self._collect()

    def _step(self, process: int) -> None:
        waiting = self.gates[process]
        if waiting:
            waiting.pop(0).set_result(None)
        self._run(self.settle())
        self._collect()

    def _collect(self) -> None:
        for process, (message, task) in list(self.running.items()):
            if task.done():
                del self.running[process]
                # A job that others overtook too often is deferred; the message of a dead process is delivered again.
                if task.cancelled() or isinstance(task.exception(), TransientError):
                    self.pending.append(message)
                else:
                    task.result()

    def _crash(self, process: int) -> None:
        _, task = self.running[process]
        task.cancel()
        self.gates[process].clear()
        self._run(self.settle())
        self._collect()
        self.interests[process] = self.new_interests()

    # Rules.

    @initialize()
    def begin(self) -> None:
        self.storage.put("config", "interests.json", FILES[1])
        self.pending.append(Message("extract"))

    @rule(answer=st.sampled_from(ANSWERS), copies=st.integers(1, 2))
    def video_indexer_says_something_else(self, answer: bytes | None, copies: int) -> None:
        self.answer = answer
        self.pending += copies * [Message("extract")]

    @rule(reference=st.sampled_from(["cms-1", "cms-2"]))
    def a_signal_brings_a_reference(self, reference: str) -> None:
        self.pending.append(Message("extract", reference=reference))

    @rule(file=st.sampled_from([*FILES, BROKEN]))
    def an_editor_writes_the_file(self, file: bytes) -> None:
        self.write_file(file)

    @rule(
        only=st.none() | st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(tuple),
        dry_run=st.booleans(),
    )
    def an_operator_orders_a_rematch(self, only: tuple[str, ...] | None, dry_run: bool) -> None:
        self.pending.append(Message("rematch", only=only, dry_run=dry_run))

    @precondition(lambda self: self.pending and len(self.running) < PROCESSES)
    @rule(data=st.data())
    def a_process_takes_a_message(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(sorted(set(range(PROCESSES)) - self.running.keys())))
        message = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        self._start(process, message)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), requests=st.integers(1, 12))
    def a_process_goes_on(self, data: st.DataObject, requests: int) -> None:
        process = data.draw(st.sampled_from(sorted(self.running)))
        for _ in range(requests):
            if process in self.running:
                self._step(process)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_process_dies(self, data: st.DataObject) -> None:
        self._crash(data.draw(st.sampled_from(sorted(self.running))))

    @rule(kind=st.sampled_from(["all", "like version 0.1", "document"]))
    def a_document_loses_something(self, kind: str) -> None:
        name = f"{ACCOUNT_ID}/{VIDEO_ID}.json"
        stored = self.storage.blobs("keywords").get(name)
        if stored is None:
            return
        if kind == "document":
            self.storage.delete("keywords", name)
            self.pending.append(Message("extract"))
            return
        kept = {"version", "published", "asof"} if kind == "like version 0.1" else set()
        metadata = {key: text for key, text in stored.metadata.items() if key in kept}
        self.storage.put("keywords", name, stored.body, metadata)
        self.pending.append(Message("extract"))

    @rule(seed=st.integers(0, 2**32))
    def everything_becomes_quiet(self, seed: int) -> None:
        chance = random.Random(seed)
        self.pending += [Message("extract"), Message("rematch")]
        while self.pending or self.running:
            free = sorted(set(range(PROCESSES)) - self.running.keys())
            if free and self.pending and (not self.running or chance.random() < 0.3):
                self._start(chance.choice(free), self.pending.pop(chance.randrange(len(self.pending))))
            elif self.running:
                self._step(chance.choice(sorted(self.running)))
        self._sweep()
        self.check_events()
        self._check_consumers(chance)

    def teardown(self) -> None:
        for _, task in self.running.values():
            task.cancel()
        self._run(self.settle())
        self.loop.close()

    # What must hold.

    def _sweep(self) -> None:
        name = f"{ACCOUNT_ID}/{VIDEO_ID}.json"
        stored = self.storage.blobs("keywords").get(name)
        note = self.storage.blobs("control").get("interests-status.json")
        if stored is None or note is None:
            return
        status = read_status(stored.metadata)
        found = DocumentStatus(
            published=True,
            as_of=0,
            written=0.0,
            state=status.state,
            stamp=status.matched.interests if status.matched else None,
            matched_at=status.matched.at.timestamp() if status.matched else None,
        )
        decoded = msgspec.json.decode(note.body, type=InterestStatus)
        if decoded.stamp is None or decoded.modified_at is None:
            return
        if behind(
            {VIDEO_ID: found},
            stamp=decoded.stamp,
            modified_at=decoded.modified_at,
            full_rematch=decoded.stamp,
        ):
            self._start(0, Message("rematch"))
            while self.running:
                self._step(0)

    def check_events(self) -> None:
        """Check that only named lists were sent, and that ids and sequences are unique."""
        lists = {
            name: stored.body.splitlines()
            for name, stored in self.storage.blobs("keywords-history").items()
            if name.endswith(".events.ndjson")
        }
        named = {line: name for name in self.storage.named for line in lists.get(name, ())}
        by_id: dict[str, bytes] = {}
        by_sequence: dict[str, str] = {}
        for body in self.sent:
            assert body in named, "an event was sent that no metadata named"
            event = json.loads(body)
            assert by_id.setdefault(event["id"], body) == body, "an id has two byte sequences"
            edition = by_sequence.setdefault(event["sequence"], named[body])
            assert edition == named[body], "two editions have one sequence"

    def _check_consumers(self, chance: random.Random) -> None:
        expected = self._expected()
        for _ in range(3):
            shuffled = [*self.sent, *chance.sample(self.sent, min(3, len(self.sent)))]
            chance.shuffle(shuffled)
            held = consume(shuffled)
            assert held == expected, f"consumers hold {held}, a fresh match is {expected}"

    def _expected(self) -> dict[str, float]:
        """A fresh match of the current document with the newest good file."""
        stored = self.storage.blobs("keywords").get(f"{ACCOUNT_ID}/{VIDEO_ID}.json")
        if stored is None:
            return {}
        matches = Matcher(self._newest_good_file()).match(documents.decode(stored.body))
        return {match.interest.id: match.score for match in matches}

    def _newest_good_file(self) -> bytes:
        """The interests file; if it is broken, the newest good one that any process ever read."""
        file = self.storage.blobs("config")["interests.json"].body
        if file != BROKEN:
            return file
        copy = self.storage.blobs("control").get("interests.json")
        return copy.body if copy else FILES[0]


def consume(bodies: list[bytes]) -> dict[str, float]:
    """The matches that a consumer holds who follows the recipe of docs/consume.md."""
    newest: dict[str, str] = {}
    held: dict[str, float] = {}
    for body in bodies:
        event = json.loads(body)
        subject = event["subject"]
        if event["sequence"] <= newest.get(subject, ""):
            continue
        newest[subject] = event["sequence"]
        if event["type"] == "keywire.interest.matched.v1":
            held[event["data"]["interest"]["id"]] = event["data"]["score"]
        elif event["type"] == "keywire.interest.withdrawn.v1":
            held.pop(event["data"]["interest"]["id"], None)
    return held

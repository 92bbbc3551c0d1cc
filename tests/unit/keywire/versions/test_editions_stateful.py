"""Editions under every order of requests, crashes, edits and losses; faults that the machine must find."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from keywire.destinations.destinations import Destinations
from keywire.destinations.event_batch import EventBatch
from keywire.destinations.storage_queue import StorageQueue
from keywire.events import envelope
from keywire.interests.source import InForce, InterestSource
from keywire.versions.current import Current
from keywire.versions.history import History
from keywire.versions.names import HistoryNames
from keywire.versions.outbox import Outbox
from tests.support.builders import VIDEO_ID
from tests.support.editions_machine import EditionsMachine, Message
from tests.support.etag_storage import MemoryQueue

STEPS = settings(max_examples=300, stateful_step_count=40, deadline=None)
# A fault is looked for until it is found; how it is found in the fewest steps is of no interest.
FAULT = settings(
    max_examples=2000,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of jobs log nothing."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_consumers_end_equal_to_a_fresh_match_whatever_happens() -> None:
    run_state_machine_as_test(EditionsMachine, settings=STEPS)


class OldInterestsSource(InterestSource):
    """Goes on with the file that the process loaded first."""

    async def current(self) -> InForce:
        if self._matcher is None:
            return await super().current()
        in_force = InForce(matcher=self._matcher, stamp="", checked_at=self.clock())
        return replace(in_force, stamp=self._matcher.hash)


class OldInterests(EditionsMachine):
    """A process that was started before an edit matches with the old file, and says that it looked."""

    def new_interests(self) -> InterestSource:
        return _as(OldInterestsSource, super().new_interests())


class RebuildingOutbox(Outbox):
    """Resumes an edition with events that it builds again, with the interests of now."""

    async def _events(self, current: Current) -> tuple[bytes, ...]:
        base = await self.base(current.document.video_id, current)
        edition = current.status.edition
        assert edition is not None
        rebuilt, _ = await self._version_events(
            current.document, current.body, replace(base, number=edition.number), None, None
        )
        return rebuilt


class ResumeRebuilds(EditionsMachine):
    """What a crashed job left unsent is built again, instead of sent as it is stored."""

    def new_outbox(self, interests: InterestSource) -> Outbox:
        return _as(RebuildingOutbox, super().new_outbox(interests))


class EarlyHistory(History):
    """Sends a list as soon as it is written."""

    queue: Any

    async def write_list(self, video_id: str, edition: int, body: bytes) -> str:
        name = await super().write_list(video_id, edition, body)
        for event in envelope.split(body):
            await self.queue.send_message(event.decode())
        return name


class SendsBeforeTheSwap(EditionsMachine):
    """A list is sent that its writer may lose."""

    def new_outbox(self, interests: InterestSource) -> Outbox:
        outbox = super().new_outbox(interests)
        history = _as(EarlyHistory, outbox.history)
        object.__setattr__(history, "queue", MemoryQueue(self.gate, self.sent))
        return replace(outbox, history=history)


class VersionQueue(StorageQueue):
    """Sends events whose `sequence` is the version of the document."""

    async def send(self, batch: EventBatch) -> None:
        sequence = {"sequence": f"{batch.version:09}"}
        events = tuple(json.dumps(json.loads(body) | sequence).encode() for body in batch.events)
        await super().send(replace(batch, events=events))


class SequenceIsTheVersion(EditionsMachine):
    """Matched and withdrawn of one version have the same sequence; consumers can't say which is newer."""

    def new_outbox(self, interests: InterestSource) -> Outbox:
        queue: Any = MemoryQueue(self.gate, self.sent)
        return replace(
            super().new_outbox(interests), destinations=Destinations({"queue": VersionQueue(queue)})
        )

    def check_events(self) -> None:
        """The bytes differ from what is stored; only what consumers end with is looked at."""


class ForgetfulHistory(History):
    """Has no names."""

    async def names(self, video_id: str) -> HistoryNames:
        return HistoryNames(())


class NumbersStartAgain(EditionsMachine):
    """A lost current document begins at version 1 and edition 1."""

    def new_outbox(self, interests: InterestSource) -> Outbox:
        outbox = super().new_outbox(interests)
        return replace(outbox, history=_as(ForgetfulHistory, outbox.history))


class DryRunSends(EditionsMachine):
    """A dry run sends what it finds unsent."""

    async def work(self, message: Message, interests: InterestSource) -> None:
        if message.dry_run:
            await self.new_outbox(interests).read(VIDEO_ID)
        await super().work(message, interests)


@pytest.mark.parametrize(
    ("machine", "found"),
    [
        (OldInterests, "consumers hold"),
        (ResumeRebuilds, "no metadata named"),
        (SendsBeforeTheSwap, "no metadata named"),
        (SequenceIsTheVersion, "consumers hold"),
        (NumbersStartAgain, "two editions have one sequence"),
        (DryRunSends, "a dry run does"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_machine_finds_a_fault(machine: type[EditionsMachine], found: str) -> None:
    with pytest.raises(Exception, match=found):
        run_state_machine_as_test(machine, settings=FAULT)


def _as[T](faulty: type[T], part: Any) -> T:
    """Return `part` as an instance of a subclass of its class."""
    copy = object.__new__(faulty)
    for name, value in vars(part).items():
        object.__setattr__(copy, name, value)
    return copy

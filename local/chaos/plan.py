"""The plan of a run: which videos when, and what goes wrong. Pure, and the same for the same seed.

What is planned is not what happens: how long each thing takes is the machine's business, so that a fault
meets another job each time. From `ENOUGH_VIDEOS` on, every kind of fault is in every plan.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from local.chaos import contents
from local.chaos.fault_kinds import ANSWERS, CALLBACKS, FORGERIES, Kind

ENOUGH_VIDEOS: Final = 50
# Uploads are spread over this: a second for each of the first fifty, then half of one.
_LEAST_SECONDS: Final = 20.0
# How long an answer is waited for: it may hang for longer than the client waits.
_WAITS: Final = {Kind.HANG: (34.0, 4.0, 7.0), Kind.ANSWER_LATE: (20.0, 25.0)}


class Route(StrEnum):
    """How Keywire is told of a video."""

    KEY = "key"
    SIGNED = "signed"
    LOG = "log"
    NONE = "none"


class Life(StrEnum):
    """What becomes of a video after its upload."""

    PLAIN = "plain"
    SILENT = "without keywords"
    FAILING = "failing"
    QUARANTINED = "quarantined"
    RECOVERING = "failing, then indexed again"
    REINDEXED = "indexed again, with another content"
    REINDEXED_SAME = "indexed again, with the same content"
    REINDEXED_EARLY = "indexed again before anybody may have looked"
    REINDEXED_FAILING = "indexed again, which fails"
    DELETED = "deleted"
    DELETED_EARLY = "deleted before anybody may have looked"


_WEIGHTS: Final = {Life.PLAIN: 10, Life.REINDEXED: 3, Life.DELETED: 2, Life.SILENT: 2}
_ROUTES: Final = (*Route, Route.KEY, Route.SIGNED, Route.KEY, Route.SIGNED, Route.KEY, Route.KEY)
_CALLED_BACK: Final = frozenset({Route.KEY, Route.SIGNED})


@dataclass(frozen=True, kw_only=True)
class PlannedVideo:
    """One video.

    Attributes:
        number: Counts from 1.
        at: When it is uploaded, in seconds from the start.
        media: What its first indexing finds.
        later: What the second one finds, where there is one.
        reference: What the uploader calls it, by a signed callback URL.
        callback: What becomes of its first callback; None where it is well.
        answers: What goes wrong with the first questions for its index: faults of the emulator.
    """

    number: int
    at: float
    route: Route
    life: Life
    media: bytes = field(repr=False)
    later: bytes | None = field(repr=False)
    reference: str | None
    callback: dict[str, Any] | None
    answers: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """What it is called in Video Indexer."""
        return f"Chaos {self.number:05d}: {self.life}"


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """Something that goes wrong at a moment.

    Attributes:
        at: When, in seconds from the start.
        choice: From 0 to 1: picks among what there is.
    """

    at: float
    kind: Kind
    choice: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run."""

    seed: int
    seconds: float
    videos: tuple[PlannedVideo, ...]
    disturbances: tuple[Disturbance, ...]


def make(count: int, seed: int, *, faults: bool = True) -> Plan:
    """The plan for so many videos."""
    chance = random.Random(seed)  # noqa: S311 - nothing here is a secret
    seconds = max(_LEAST_SECONDS, min(count, ENOUGH_VIDEOS) * 0.9 + max(0, count - ENOUGH_VIDEOS) * 0.5)
    lives = _lives(count, chance)
    routes = _routes(count, chance)
    callbacks = _callbacks(lives, routes, chance) if faults else {}
    answers = _answers(lives, chance) if faults else {}
    videos = []
    for number, (life, route) in enumerate(zip(lives, routes, strict=True), start=1):
        media = (
            contents.of_a_silent_video(chance) if life is Life.SILENT else contents.of_a_video(number, chance)
        )
        videos.append(
            PlannedVideo(
                number=number,
                at=_upload_at(number - 1, count, life, seconds, chance),
                route=route,
                life=life,
                media=media,
                later=_later(life, media, count + number, chance),
                reference=f"cms-{seed}-{number}" if route is Route.SIGNED else None,
                callback=callbacks.get(number - 1),
                answers=answers.get(number - 1, ()),
            )
        )
    disturbances = sorted(_disturbances(seconds, chance), key=lambda each: each.at) if faults else []
    return Plan(seed=seed, seconds=seconds, videos=tuple(videos), disturbances=tuple(disturbances))


def _lives(count: int, chance: random.Random) -> list[Life]:
    lives = list(Life)[:count]
    weights = [_WEIGHTS.get(life, 1) for life in Life]
    lives += chance.choices(list(Life), weights, k=count - len(lives))
    chance.shuffle(lives)
    return lives


def _routes(count: int, chance: random.Random) -> list[Route]:
    routes = list(itertools.islice(itertools.cycle(_ROUTES), count))
    chance.shuffle(routes)
    return routes


def _upload_at(place: int, count: int, life: Life, seconds: float, chance: random.Random) -> float:
    """Evenly spread, with some chance; what goes on for longer comes earlier."""
    at = seconds * (place + chance.random()) / count
    return at if life in {Life.PLAIN, Life.SILENT, Life.FAILING, Life.QUARANTINED} else at * 0.6


def _later(life: Life, media: bytes, number: int, chance: random.Random) -> bytes | None:
    if life in {Life.REINDEXED_SAME, Life.REINDEXED_FAILING}:
        return media
    if life in {Life.REINDEXED, Life.REINDEXED_EARLY, Life.RECOVERING}:
        return contents.of_a_video(number, chance)
    return None


def _callbacks(
    lives: Sequence[Life], routes: Sequence[Route], chance: random.Random
) -> dict[int, dict[str, Any]]:
    """Every second video that is called back has a callback that goes wrong."""
    places = [
        place
        for place, (life, route) in enumerate(zip(lives, routes, strict=True))
        if route in _CALLED_BACK and life is not Life.DELETED_EARLY
    ]
    chance.shuffle(places)
    kinds = itertools.cycle(CALLBACKS.values())
    return {
        place: {"operation": "Callback", "kind": kind, "seconds": round(chance.uniform(3, 15), 1)}
        for place, kind in zip(places[: max(3, len(places) // 2)], kinds, strict=False)
    }


def _answers(lives: Sequence[Life], chance: random.Random) -> dict[int, tuple[dict[str, Any], ...]]:
    """For every second video, one or two questions go wrong; each kind comes in turn.

    Where a video is indexed again, the first answer comes when it is no longer true: other jobs, which get
    theirs at once, have told of both by then.
    """
    waits = {kind: itertools.cycle(seconds) for kind, seconds in _WAITS.items()}

    def fault(kind: Kind) -> dict[str, Any]:
        wait = {"seconds": next(waits[kind])} if kind in waits else {}
        return {"operation": "GetVideoIndex", **ANSWERS[kind], **wait}

    planned: dict[int, tuple[dict[str, Any], ...]] = {
        place: (fault(Kind.ANSWER_LATE),) for place, life in enumerate(lives) if life is Life.REINDEXED
    }
    places = [
        place for place, life in enumerate(lives) if life is not Life.DELETED_EARLY and place not in planned
    ]
    chance.shuffle(places)
    kinds = itertools.cycle(kind for kind in ANSWERS if kind is not Kind.ANSWER_LATE)
    for place in places[: max(len(ANSWERS), len(places) // 2)]:
        planned[place] = tuple(fault(next(kinds)) for _ in range(chance.choice((1, 1, 2))))
    return planned


def _disturbances(seconds: float, chance: random.Random) -> Iterator[Disturbance]:
    """What goes wrong besides single videos: each kind spread over its part of the time.

    A process is killed while the interests are broken: the one that takes its place has to look at them.
    """

    def spread(kind: Kind, every: float, *, start: float = 0.1, end: float = 0.85) -> Iterator[Disturbance]:
        count = max(1, round((end - start) * seconds / every))
        for place in range(count):
            at = seconds * (start + (end - start) * (place + chance.random()) / count)
            yield Disturbance(at=at, kind=kind, choice=chance.random())

    yield Disturbance(at=0.30 * seconds, kind=Kind.INTERESTS_BROKEN, choice=chance.random())
    yield Disturbance(at=0.33 * seconds, kind=Kind.KILL_EXTRACTION, choice=chance.random())
    yield from spread(Kind.KILL_EXTRACTION, 15)
    yield from spread(Kind.KILL_HTTP, 40, start=0.3)
    yield from spread(Kind.KILL_OTHER, 30, end=0.6)
    yield from spread(Kind.STORAGE_STOPPED, 40, start=0.35)
    yield from spread(Kind.TOPIC_FAILING, 20)
    yield from spread(Kind.THROTTLED_429, 30)
    yield from spread(Kind.TOKEN_EXPIRED, 25)
    yield from spread(Kind.ERROR_500, 60)
    yield from spread(Kind.JOB_UNREADABLE, 25)
    for kind in FORGERIES:
        # A question for a video that is not found is asked a second time a minute later.
        yield from spread(kind, 15, end=0.4 if kind is Kind.CALLBACK_UNKNOWN_ID else 0.85)

"""What the videos of a run are about: index files in the shape of real ones, and the interests they concern.

Pure. The keywords are those of the samples, mixed, with times that overlap, repeat and are unsorted, as they
do in real answers. The interests ask for made-up words, so that it can be said without Keywire's own matching
which contents concern which of them.
"""

import copy
import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

SAMPLES: Final = Path(__file__).resolve().parent.parent / "samples"
# One of so many contents has this many keywords: more than an event tells.
LARGE_ONE_IN: Final = 12
LARGE_KEYWORDS: Final = 160
# How one keyword of each begins: documents and events tell it, and no log may.
UNLOGGED: Final = "unlogged subject"
# What an answer says where nothing was found: all three occur.
NOTHING: Final[tuple[Mapping[str, Any], ...]] = ({"keywords": []}, {"keywords": None}, {})


@dataclass(frozen=True)
class MadeUpInterest:
    """An interest in made-up words: any of some, all of some, none of some."""

    id: str
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def concerns(self, texts: Collection[str]) -> bool:
        """Whether it is concerned by keywords of these texts."""
        return (
            (not self.any_of or any(term in texts for term in self.any_of))
            and all(term in texts for term in self.all_of)
            and not any(term in texts for term in self.none_of)
        )


INTERESTS: Final = (
    MadeUpInterest("quillonda", any_of=("quillonda", "brasto tower")),
    MadeUpInterest("both-lands", all_of=("quillonda", "velkoria")),
    MadeUpInterest("velkoria-alone", any_of=("velkoria",), none_of=("brasto tower",)),
)
WORDS: Final = ("quillonda", "velkoria", "brasto tower")


def interests_file() -> bytes:
    """The interests as an editor would write them."""
    entries = [
        {
            "id": interest.id,
            "name": f"Whoever cares for {interest.id}",
            "anyOf": list(interest.any_of),
            "allOf": list(interest.all_of),
            "noneOf": list(interest.none_of),
        }
        for interest in INTERESTS
    ]
    return json.dumps({"interests": entries}).encode()


def concerned(texts: Collection[str]) -> frozenset[str]:
    """The interests that keywords of these texts concern."""
    return frozenset(interest.id for interest in INTERESTS if interest.concerns(texts))


def of_a_video(number: int, chance: random.Random) -> bytes:
    """An index file like no other: one keyword has its number."""
    index = copy.deepcopy(chance.choice(_samples()))
    wanted = LARGE_KEYWORDS if chance.randrange(LARGE_ONE_IN) == 0 else chance.randint(1, 8)
    texts = [f"{UNLOGGED} {number}"]
    texts += [word for word in WORDS if chance.random() < 0.4]
    texts += chance.sample(_texts(), min(wanted, len(_texts())))
    texts += [f"detail {number} {further}" for further in range(wanted - len(texts))]
    chance.shuffle(texts)
    _insights(index)["keywords"] = [_keyword(place, text, chance) for place, text in enumerate(texts, 1)]
    return json.dumps(index, ensure_ascii=False).encode()


def of_a_silent_video(chance: random.Random) -> bytes:
    """An index file without a keyword."""
    index = copy.deepcopy(chance.choice(_samples()))
    insights = _insights(index)
    insights.pop("keywords", None)
    insights.update(chance.choice(NOTHING))
    return json.dumps(index, ensure_ascii=False).encode()


def _keyword(place: int, text: str, chance: random.Random) -> dict[str, Any]:
    starts = [chance.randrange(0, 36_000_000_000, 12_345) for _ in range(chance.randint(1, 5))]
    times = [(start, start + chance.randrange(0, 200_000_000, 1_000)) for start in starts]
    times += [chance.choice(times)] * chance.randint(0, 1)
    return {
        "id": place,
        "text": text,
        "confidence": round(chance.uniform(0.3, 1), 4),
        "language": chance.choice(("en-US", "en-GB", "de-DE")),
        "instances": [
            {"adjustedStart": start, "adjustedEnd": end, "start": start, "end": end}
            for start, end in ((_written(start), _written(end)) for start, end in times)
        ],
    }


def _written(ticks: int) -> str:
    """Ticks of 100 ns as .NET writes them."""
    seconds, rest = divmod(ticks, 10_000_000)
    fraction = f".{rest:07d}" if rest else ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _insights(index: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = index["videos"][0]["insights"]
    return found


@cache
def _samples() -> Sequence[dict[str, Any]]:
    files = [json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("*.json"))]
    return [file for file in files if "videos" in file]


@cache
def _texts() -> Sequence[str]:
    """The texts of the samples' keywords, no two of them alike."""
    texts = [keyword["text"] for index in _samples() for keyword in _insights(index).get("keywords") or ()]
    return list({text.casefold(): text for text in texts}.values())

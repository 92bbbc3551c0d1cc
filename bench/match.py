"""`match`: what a million interests cost: the time for a document, the time to read the file, and memory.

The sizes are measured in turn, so that they see the same machine. Memory is that of a process of its own.
"""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import interest_files
from bench.figures import Aim, Figures
from keywire.documents.document import KeywordDocument
from keywire.interests.matching import matcher as matching
from keywire.interests.matching.matcher import Matcher

AIMS: Final[Mapping[str, Aim]] = {
    "match.time_ratio_1m_100": Aim("<=", 1.5),
    "match.compile_seconds": Aim("<=", 20),
    "match.rss_mb": Aim("<=", 1024),
}
SIZES: Final = {"100": 100, "10k": 10_000, "1m": 1_000_000}
LARGEST: Final = "1m"
KEYWORDS: Final = (30, 300)
DOCUMENTS: Final = 10
ROUNDS: Final = 40


async def run(scale: float) -> Figures:
    """Measure `ROUNDS` × `scale` rounds over files of 100, 10,000 and a million interests × `scale`."""
    return await asyncio.to_thread(_measure, scale)


def _measure(scale: float) -> Figures:
    documents = {count: interest_files.write_documents(count, DOCUMENTS) for count in KEYWORDS}
    matchers: dict[str, Matcher] = {}
    alone: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, size in SIZES.items():
            file = Path(directory) / f"{name}.json"
            least = interest_files.CONCERNED * 5
            with file.open("wb") as written:
                concerned = [document for group in documents.values() for document in group]
                written.writelines(interest_files.write_interests(max(least, round(size * scale)), concerned))
            if name == LARGEST:
                alone = json.loads(subprocess.check_output([sys.executable, "-m", "bench.match", str(file)]))
            matchers[name] = matching.compile(file.read_bytes())
    figures = _figures(_in_turn(matchers, documents, max(3, round(ROUNDS * scale))))
    return figures | {f"match.{name}": value for name, value in alone.items()}


type _Times = Mapping[tuple[str, int], Sequence[float]]


def _in_turn(
    matchers: Mapping[str, Matcher], documents: Mapping[int, Sequence[KeywordDocument]], rounds: int
) -> _Times:
    """The seconds that all documents took, by size and number of keywords, round by round."""
    times: dict[tuple[str, int], list[float]] = {}
    for count, group in documents.items():
        found = {name: _matched(matcher, group) for name, matcher in matchers.items()}  # and warms up
        if len(set(found.values())) != 1:
            raise RuntimeError(f"not the same interests at every size: {found}")
        for _ in range(rounds):
            for name, matcher in matchers.items():
                began = time.perf_counter()
                for document in group:
                    matcher.match(document)
                times.setdefault((name, count), []).append(time.perf_counter() - began)
    return times


def _matched(matcher: Matcher, documents: Sequence[KeywordDocument]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(match.interest.id for match in matcher.match(document)) for document in documents)


def _figures(times: _Times) -> dict[str, float]:
    medians = {key: statistics.median(seconds) for key, seconds in times.items()}
    figures: dict[str, float] = {}
    for name in SIZES:
        total = sum(medians[name, count] for count in KEYWORDS)
        if name != "100":
            figures[f"match.time_ratio_{name}_100"] = total / sum(medians["100", count] for count in KEYWORDS)
        for count in KEYWORDS:
            figures[f"match.{name}.keywords_{count}_ms"] = medians[name, count] / DOCUMENTS * 1000
    return figures


def _alone(file: Path) -> dict[str, float]:
    """What a process costs that reads a file and matches documents."""
    body = file.read_bytes()
    documents = [document for count in KEYWORDS for document in interest_files.write_documents(count, 1)]
    began = time.perf_counter()
    matcher = matching.compile(body)
    compiled = time.perf_counter()
    matcher.match(documents[0])
    first = time.perf_counter()
    for document in documents:
        matcher.match(document)
    return {
        "compile_seconds": compiled - began,
        "first_of_language_seconds": first - compiled,
        "rss_mb": _peak(),
        "file_mb": len(body) / 1e6,
    }


def _peak() -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError("/proc tells no VmHWM")
    return int(found[1]) / 1000


if __name__ == "__main__":
    print(json.dumps(_alone(Path(sys.argv[1]))))

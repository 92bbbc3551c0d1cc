"""Tables for millions of entries: arrays of numbers, where a dict would take ten times the memory.

Pure. A table knows hashes and not the things themselves, so that whoever looks something up has to look at
what was found.
"""

import itertools
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

ROOT: Final = -1
NONE: Final = -1
_FIRST_SIZE: Final = 1024
_GROWTH: Final = 4


class HashTable:
    """Numbers hashes: 0, 1, … in the order in which they came."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._next = array("i")  # in the bucket
        self._buckets = array("i", [NONE]) * _FIRST_SIZE

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, key: int) -> int:
        """The number of a hash, or `NONE`."""
        hashes, following = self._hashes, self._next
        found = self._buckets[key & (len(self._buckets) - 1)]
        while found >= 0 and hashes[found] != key:
            found = following[found]
        return found

    def append(self, key: int) -> int:
        """The number of a hash that is not there yet."""
        number = len(self._hashes)
        bucket = key & (len(self._buckets) - 1)
        self._hashes.append(key)
        self._next.append(self._buckets[bucket])
        self._buckets[bucket] = number
        if number >= len(self._buckets):
            self._grow()
        return number

    def _grow(self) -> None:
        mask = len(self._buckets) * _GROWTH - 1
        buckets, following = array("i", [NONE]) * (mask + 1), self._next
        for number, key in enumerate(self._hashes):
            following[number] = buckets[key & mask]
            buckets[key & mask] = number
        self._buckets = buckets


class PathTable(HashTable):
    """Numbers paths of words, and all their beginnings; the hash of a path is over its beginning's number.

    Attributes:
        words: Every word, with the number of the path that it is by itself, or `ROOT` where it is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, int] = {}

    def follow(self, paths: Iterable[int], words: Iterable[str]) -> list[int]:
        """The numbers of the paths that there are from some over one of some words."""
        hashes, following, buckets = self._hashes, self._next, self._buckets
        mask = len(buckets) - 1
        ahead = []
        for path in paths:
            for word in words:
                key = hash((path, word))
                found = buckets[key & mask]
                while found >= 0 and hashes[found] != key:
                    found = following[found]
                if found >= 0:
                    ahead.append(found)
        return ahead

    def add(self, paths: Iterable[Sequence[str]]) -> list[int]:
        """The numbers of paths.

        `find` and `append` are spelled out: for a million interests the loop runs some seven million times.
        """
        known, hashes, following = self.words, self._hashes, self._next
        buckets = self._buckets
        mask = len(buckets) - 1
        numbers = []
        for words in paths:
            path = known.get(words[0], ROOT)
            for word in words if path == ROOT else words[1:]:
                key = hash((path, word))
                found = first = buckets[key & mask]
                while found >= 0 and hashes[found] != key:
                    found = following[found]
                if found < 0:
                    found = len(hashes)
                    hashes.append(key)
                    following.append(first)
                    buckets[key & mask] = found
                    if path == ROOT:
                        known[word] = found
                    elif word not in known:
                        known[word] = ROOT
                    if found > mask:
                        self._grow()
                        buckets = self._buckets
                        mask = len(buckets) - 1
                path = found
            numbers.append(path)
        return numbers


class Postings:
    """For each path the numbers of the interests that it reaches: made once, of pairs."""

    def __init__(self, paths: Sequence[int], numbers: Sequence[int], path_count: int) -> None:
        counts = array("I", [0]) * (path_count + 1)
        for path in paths:
            counts[path + 1] += 1
        self._ends = array("I", itertools.accumulate(counts))  # of the path before, until it is filled
        self._numbers = array("I", [0]) * len(numbers)
        ends, kept = self._ends, self._numbers
        for path, number in zip(paths, numbers, strict=True):
            kept[ends[path]] = number
            ends[path] += 1

    def of(self, path: int) -> Sequence[int]:
        """Those that `path` reaches."""
        return self._numbers[self._ends[path - 1] if path else 0 : self._ends[path]]

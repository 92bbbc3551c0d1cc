"""Which interests a document may concern, at a cost that does not depend on how many interests there are.

Pure. The terms are a tree: a term is the path of its words, and a compact table holds the hash of each path
and of its beginnings. A keyword walks the tree from each of its words, with every word of the vocabulary that
is the same as its own. What it reaches is a superset (a path is known by its hash alone), which the rules of
`keywire.interests.matching.matcher` settle.
"""

import itertools
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence

from keywire.interests.file import Entry
from keywire.interests.matching.compact import ROOT, PathTable, Postings
from keywire.interests.matching.vocabulary import Vocabulary
from keywire.interests.matching.words import Word, words_of


class TermIndex:
    """The terms by which interests are reached, each interest known by its number.

    One with `allOf` is reached by the rarest of those terms only, any other one by each of its `anyOf`.
    """

    def __init__(self) -> None:
        self._paths = PathTable()
        self._vocabulary = Vocabulary(self._paths.words)
        self._reaching = array("I")  # paths …
        self._numbers = array("I")  # … and the interest that each of them reaches
        self._undecided = array("I")  # number, count, that many paths; and again
        self._postings = Postings((), (), 0)

    def add(self, entry: Entry) -> None:
        """Let an interest be reached; of one with `allOf`, `close` decides by what."""
        terms = entry.interest.all_of or entry.interest.any_of
        paths = self._paths.add(entry.all_of or entry.any_of)
        if entry.all_of:
            # Of equally rare terms the first is taken: whose first word came late, as common ones come early.
            age = {path: self._paths.words[words[0]] for path, words in zip(paths, entry.all_of, strict=True)}
            paths.sort(key=age.__getitem__, reverse=True)
            self._undecided.extend((entry.number, len(paths), *paths))
        else:
            self._reaching.extend(paths)
            self._numbers.extend([entry.number] * len(paths))
        if not all(map(str.isascii, terms)):
            self._vocabulary.add_accented(itertools.chain.from_iterable(map(words_of, terms)))

    def close(self) -> None:
        """Make it ready: every interest is there."""
        frequencies = self._frequencies()
        for number, paths in self._still_undecided():
            self._reaching.append(min(paths, key=frequencies.__getitem__))
            self._numbers.append(number)
        self._postings = Postings(self._reaching, self._numbers, len(self._paths))
        self._reaching, self._numbers, self._undecided = array("I"), array("I"), array("I")

    def reached_by(self, keywords: Iterable[tuple[Sequence[Word], str | None]]) -> set[int]:
        """The numbers of the interests that keywords, each with its language, may concern."""
        numbers: set[int] = set()
        for words, language in keywords:
            same = [self._vocabulary.same_as(word, language) for word in words]
            for start in range(len(same)):
                self._walk(same, start, numbers)
        return numbers

    def _still_undecided(self) -> Iterator[tuple[int, Sequence[int]]]:
        position = 0
        while position < len(self._undecided):
            number, count = self._undecided[position : position + 2]
            position += 2 + count
            yield number, self._undecided[position - count : position]

    def _frequencies(self) -> Sequence[int]:
        """How many interests have the term that a path is."""
        frequencies = array("I", [0]) * len(self._paths)
        for path in self._reaching:
            frequencies[path] += 1
        for _, paths in self._still_undecided():
            for path in paths:
                frequencies[path] += 1
        return frequencies

    def _walk(self, same: Sequence[Collection[str]], start: int, numbers: set[int]) -> None:
        paths = [path for word in same[start] if (path := self._paths.words[word]) != ROOT]
        following = start + 1
        while paths:
            for path in paths:
                numbers.update(self._postings.of(path))
            if following == len(same):
                return
            paths = self._paths.follow(paths, same[following])
            following += 1

"""The words of all terms, and which of them are the same as a keyword's word in a language."""

import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from keywire.interests.matching.words import ALGORITHMS, CACHED_WORDS, Word, forms, stem_keys

# The stems of so many languages are kept: those of one take about as much memory as the words.
MAX_LANGUAGES: Final = 8


class Vocabulary:
    """Words as they are compared, and the spellings that differ; complete before `same_as` is asked."""

    def __init__(self, folded: Collection[str]) -> None:
        self._folded = folded
        self._accented: set[Word] = set()
        self._same: dict[tuple[Word, str | None], frozenset[str]] = {}
        self._by_stem: dict[str, dict[str, tuple[str, ...]]] = {}

    def add_accented(self, words: Iterable[Word]) -> None:
        """Add spellings of the words."""
        self._accented.update(word for word in words if word.accented != word.folded)

    def same_as(self, word: Word, language: str | None) -> frozenset[str]:
        """The words that are, in one of their spellings, the same as `word` in a language."""
        same = self._same.get((word, language))
        if same is None:
            if len(self._same) >= CACHED_WORDS:
                self._same.clear()
            same = self._same[word, language] = self._look_up(word, language)
        return same

    def _look_up(self, word: Word, language: str | None) -> frozenset[str]:
        same = {word.folded} if word.folded in self._folded else set()
        if language in ALGORITHMS:
            stems = self._stems(language)
            for form in forms(word, language):
                same.update(stems.get(form, ()))
        return frozenset(same)

    def _stems(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """The words by their stems; made when a language is first asked for, at some 20 µs a word."""
        found = self._by_stem.pop(language, None)
        if found is None:
            found = {}
            for word in itertools.chain((Word(word, word) for word in self._folded), self._accented):
                for stem in stem_keys(word, language):
                    found[stem] = (*found.get(stem, ()), word.folded)
            if len(self._by_stem) == MAX_LANGUAGES:
                del self._by_stem[next(iter(self._by_stem))]
        self._by_stem[language] = found  # behind all others: the first is the one not used for longest
        return found

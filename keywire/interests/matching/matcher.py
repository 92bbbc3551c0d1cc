"""Matching: which interests of a file a document concerns, and why.

Pure. The document's words reach a few interests of millions, and to those the rules
(`keywire.interests.matching.rules`) are applied.
"""

import hashlib
from typing import Final

from keywire.documents.document import KeywordDocument
from keywire.interests.file import InterestList
from keywire.interests.interest import Interest
from keywire.interests.matching import rules
from keywire.interests.matching.document_words import DocumentWords
from keywire.interests.matching.rules import Match, TermMatch
from keywire.interests.matching.term_index import TermIndex

__all__ = ["Match", "Matcher", "TermMatch", "compile"]


class Matcher:
    """The interests of one version of the file.

    Attributes:
        hash: SHA-256 (hex) of the file.
        terms: How many terms of `anyOf` and `allOf` the interests have.
    """

    def __init__(self, body: bytes) -> None:
        self.hash: Final = hashlib.sha256(body).hexdigest()
        self.terms = 0
        self._interests = InterestList()
        self._index = TermIndex()
        for entry in self._interests.read(body):
            self._index.add(entry)
            self.terms += len(entry.any_of) + len(entry.all_of)
        self._index.close()

    def __len__(self) -> int:
        return len(self._interests)

    def get(self, interest_id: str) -> Interest | None:
        """The interest of this id, if there is one."""
        return self._interests.find(interest_id)

    def match(self, document: KeywordDocument) -> tuple[Match, ...]:
        """The interests that a document concerns, by id."""
        words = DocumentWords(document)
        reached = (self._interests[number] for number in self._index.reached_by(words.words))
        matches = (rules.match(interest, words) for interest in reached)
        return tuple(sorted((found for found in matches if found), key=lambda found: found.interest.id))


def compile(body: bytes) -> Matcher:  # noqa: A001  # as in `re.compile`: read as `matching.compile`
    """Read an interests file.

    Raises:
        InvalidInterestsError: Something is wrong with it.
    """
    return Matcher(body)

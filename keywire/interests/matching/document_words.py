"""A document's keywords as words, and which of them meet a term.

Pure, and exact where `keywire.interests.matching.term_index` finds too much.
"""

from collections.abc import Sequence

from keywire.documents.document import KeywordDocument, keywords_of
from keywire.documents.keyword import Keyword
from keywire.interests.matching.words import Word, forms, primary, words_of


class DocumentWords:
    """The keywords of a document, by their words.

    Attributes:
        keywords: As the document has them.
        words: Of each of them, with the language that tells their forms.
    """

    def __init__(self, document: KeywordDocument) -> None:
        self.keywords = keywords_of(document)
        self.words: list[tuple[Sequence[Word], str | None]] = [
            (words_of(keyword.text), primary(keyword.language)) for keyword in self.keywords
        ]
        self._languages = {language for _, language in self.words}
        self._places: dict[tuple[str | None, str], list[tuple[int, int]]] = {}
        for number, (words, language) in enumerate(self.words):
            for position, word in enumerate(words):
                for form in forms(word, language):
                    self._places.setdefault((language, form), []).append((number, position))

    def meeting(self, term: Sequence[Word]) -> list[Keyword]:
        """The keywords in which the words of `term` occur one behind the other."""
        found: set[int] = set()
        for language in self._languages:
            wanted = [forms(word, language) for word in term]
            for form in wanted[0]:
                for number, position in self._places.get((language, form), ()):
                    if number not in found and self._follow(number, position, wanted):
                        found.add(number)
        return [self.keywords[number] for number in sorted(found)]

    def _follow(self, number: int, position: int, wanted: Sequence[frozenset[str]]) -> bool:
        words, language = self.words[number]
        heard = words[position : position + len(wanted)]
        return len(heard) == len(wanted) and all(
            not forms(word, language).isdisjoint(wish) for word, wish in zip(heard, wanted, strict=True)
        )

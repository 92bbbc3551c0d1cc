"""The archive's query language: text to terms, and errors that name the position.

Pure. The meanings are those of an interest's terms:

    festival         a word, in every form of the keyword's language
    "film festival"  words that follow each other within one keyword
    ="US"            words in exactly this spelling and case
    festiv*          the beginning of a word
    a b              both occur in one video
    -a               does not occur in the video
    a b OR c         `a` and `b`, or `c`
"""

from dataclasses import dataclass
from typing import Final

from keywire.interests.matching.words import Word, words_of

MAX_LENGTH: Final = 500
MAX_TERMS: Final = 16
MAX_WORDS: Final = 32
MIN_PREFIX: Final = 2
_EXAMPLE: Final = 'for example festival, "film festival", ="US", festiv*, -word, or OR between two groups'

_OPENING: Final = {
    '"': '"',
    "\u201c": "\u201d\u201c",
    "\u201e": "\u201c\u201d",
    "\u00ab": "\u00bb",
    "\uff02": "\uff02",
}
_OR: Final = "OR"


class QuerySyntaxError(ValueError):
    """A query that cannot be read.

    Attributes:
        position: The index of the first character that is wrong, from 0.
        expected: What the position should have.
    """

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(f"the query cannot be read at character {position + 1}: expected {expected}")
        self.position = position
        self.expected = expected


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A term of a query.

    Attributes:
        text: As written, without quotation marks and signs.
        words: Its words.
        prefix: Whether the last word may be the beginning of a word.
        exact: Whether the spelling and case must be those of `text`.
        negated: Whether it must not occur in the video.
    """

    text: str
    words: tuple[Word, ...]
    prefix: bool = False
    exact: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query: a video is found if it meets every term of one group.

    Attributes:
        groups: At least one group, each with at least one term that is not negated.
    """

    groups: tuple[tuple[Term, ...], ...]


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        QuerySyntaxError: It cannot be read; the error names the position and what was expected.
    """
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(MAX_LENGTH, f"at most {MAX_LENGTH} characters")
    reader = _Reader(text)
    groups: list[tuple[Term, ...]] = []
    while True:
        groups.append(reader.group())
        if sum(map(len, groups)) > MAX_TERMS:
            raise QuerySyntaxError(reader.last, f"at most {MAX_TERMS} terms")
        if not reader.take_or():
            return Query(tuple(groups))


def spells(text: str, exact: str) -> bool:
    """Return whether `exact` occurs in `text` in this spelling and case, and not inside a longer word."""
    words = words_of(text)
    start = text.find(exact)
    while start >= 0:
        around = words_of(text[:start]), words_of(exact), words_of(text[start + len(exact) :])
        if sum(around, ()) == words:
            return True
        start = text.find(exact, start + 1)
    return False


class _Reader:
    """Reads terms from left to right.

    Attributes:
        last: The position of the last term.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.last = 0

    def group(self) -> tuple[Term, ...]:
        """Read terms up to the next `OR` or the end."""
        self._skip_spaces()
        start = self._position
        terms: list[Term] = []
        while self._position < len(self._text) and not self._at_or():
            self.last = self._position
            terms.append(self._term())
            self._skip_spaces()
        if not terms:
            raise QuerySyntaxError(start, f"a term ({_EXAMPLE})")
        if all(term.negated for term in terms):
            raise QuerySyntaxError(start, "a term to find beside the terms to leave out")
        return tuple(terms)

    def take_or(self) -> bool:
        """Skip `OR`; return False at the end of the text."""
        if not self._at_or():
            return False
        self._position += len(_OR)
        return True

    def _at_or(self) -> bool:
        following = self._position + len(_OR)
        return self._text.startswith(_OR, self._position) and (
            following == len(self._text) or self._text[following].isspace()
        )

    def _skip_spaces(self) -> None:
        while self._position < len(self._text) and self._text[self._position].isspace():
            self._position += 1

    def _term(self) -> Term:
        negated = self._take("-")
        exact = self._take("=")
        start = self._position
        if start < len(self._text) and self._text[start] in _OPENING:
            return self._checked(start, self._quoted(), negated=negated, exact=exact)
        if exact:
            raise QuerySyntaxError(start, 'a quotation mark after =, for example ="US"')
        word = self._word()
        if word.startswith("("):
            raise QuerySyntaxError(start, "a term: groups have no parentheses, OR separates them")
        if "*" in word[:-1]:
            raise QuerySyntaxError(start + word.index("*"), "* only at the end of a word")
        return self._checked(start, word.removesuffix("*"), negated=negated, prefix=word.endswith("*"))

    def _checked(
        self, start: int, text: str, *, negated: bool, exact: bool = False, prefix: bool = False
    ) -> Term:
        words = words_of(text)
        if not words:
            raise QuerySyntaxError(start, f"a term with a letter or a digit ({_EXAMPLE})")
        if len(words) > MAX_WORDS:
            raise QuerySyntaxError(start, f"a term of at most {MAX_WORDS} words")
        if prefix and words[-1].folded.isascii() and len(words[-1].folded) < MIN_PREFIX:
            raise QuerySyntaxError(start, f"at least {MIN_PREFIX} characters before *")
        return Term(text=text, words=words, prefix=prefix, exact=exact, negated=negated)

    def _take(self, sign: str) -> bool:
        taken = self._text.startswith(sign, self._position)
        self._position += len(sign) if taken else 0
        return taken

    def _word(self) -> str:
        start = self._position
        while self._position < len(self._text) and not self._text[self._position].isspace():
            self._position += 1
        return self._text[start : self._position]

    def _quoted(self) -> str:
        start = self._position
        closing = _OPENING[self._text[start]]
        end = start + 1
        while end < len(self._text) and self._text[end] not in closing:
            end += 1
        if end == len(self._text):
            raise QuerySyntaxError(end, f"the quotation mark that closes the one at character {start + 1}")
        self._position = end + 1
        if self._position < len(self._text) and not self._text[self._position].isspace():
            raise QuerySyntaxError(self._position, "a space after the closing quotation mark")
        return self._text[start + 1 : end]

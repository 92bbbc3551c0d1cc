"""Index tokens: Keywire's own words and word forms as PostgreSQL's `tsvector` and `tsquery`.

Pure. An interest's term and an archive query mean the same, because both use `keywire.interests.matching.words`.
PostgreSQL's own parsers and dictionaries are not used: the values are written in its text format.

A word's folded form is a token at the word's position. A stem is a token at the same position, with its language:
`festivals` in English is `festivals` and `~en~festiv`. No word contains `~`, so a prefix query never meets a stem.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from keywire.interests.matching.rules import RULES_VERSION
from keywire.interests.matching.words import STEM, Word, forms, primary, words_of

# Raise it if the tokens of a text change: every document is put again, and each keyword's tokens are replaced.
# It follows the matching rules.
TOKENS_VERSION: Final = 100 * RULES_VERSION + 1

# PostgreSQL keeps 255 positions of a token, and no token of 2 KiB or more.
MAX_POSITIONS: Final = 255
_MAX_TOKEN_BYTES: Final = 1024


def vector(text: str, language: str | None) -> str:
    """Return the `tsvector` of a keyword's text."""
    subtag = primary(language)
    positions: dict[str, list[str]] = {}
    for position, word in enumerate(words_of(text)[:MAX_POSITIONS], 1):
        for token in _tokens(word, subtag):
            positions.setdefault(token, []).append(str(position))
    return " ".join(f"{_quote(token)}:{','.join(found)}" for token, found in positions.items())


def phrase(words: Sequence[Word], languages: Iterable[str], *, prefix: bool = False) -> str:
    """Return the `tsquery` of words that follow each other.

    Args:
        words: At least one word.
        languages: The primary language subtags whose word forms are searched.
        prefix: Whether the last word may be the beginning of a word.
    """
    subtags = tuple(languages)
    last = len(words) - 1
    return "<->".join(
        _alternatives(word, subtags, prefix=prefix and position == last)
        for position, word in enumerate(words)
    )


def _alternatives(word: Word, languages: Collection[str], *, prefix: bool) -> str:
    if (prefix or _is_hangul(word.folded)) and _fits(word.folded):
        return f"{_quote(word.folded)}:*"
    tokens = {token for language in (None, *languages) for token in _tokens(word, language)}
    return f"({'|'.join(map(_quote, sorted(tokens)))})"


def _tokens(word: Word, language: str | None) -> set[str]:
    return {
        _bounded(f"{STEM}{language}{key}" if key.startswith(STEM) else key) for key in forms(word, language)
    }


def _bounded(token: str) -> str:
    """Return the token, or a hash in place of one that is too long for the index."""
    if _fits(token):
        return token
    return f"{STEM}{STEM}{hashlib.blake2b(token.encode(), digest_size=16).hexdigest()}"


def _fits(token: str) -> bool:
    return len(token) * 4 <= _MAX_TOKEN_BYTES or len(token.encode()) <= _MAX_TOKEN_BYTES


def _quote(token: str) -> str:
    escaped = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _is_hangul(word: str) -> bool:
    """Return whether a word is Korean: particles are written at its end, and no stemmer removes them."""
    return any("\uac00" <= character <= "\ud7a3" for character in word)

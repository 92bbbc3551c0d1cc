"""The words by which texts are compared, and when two words are the same.

Pure. A word is a run of letters, digits and marks of the normalized text; whatever else there is separates
(`ux/ui` is `ux ui`, `at&t` is `at t`, `.net` is `net`, `u.s.` is `u s`), except that

- `+` and `#` right behind a word belong to it: `c++` and `c#` are not `c`;
- `'s` behind a word goes: `children's` is `children`; any other apostrophe separates, so that `eau` is found
  in `l'eau` and `neill` in `o'neill`;
- characters that nobody sees (joiners, soft hyphens, marks of direction) and ™ go without separating.

In scripts that are written without spaces each character is a word of its own, with its marks, so that a term
is found within a longer string: `人工知能` in `人工知能学会`.

Two words are the same if they are equal, or have a stem in common (Snowball's, of the text's language). A
stem is taken of the word with its diacritics and of the word without, for people leave them out.
"""

import functools
import re
import threading
import unicodedata
from typing import Final, NamedTuple

from keywire.documents.text import normalize

# A shorter word is all stem.
MIN_STEMMED_LENGTH: Final = 3
STEM: Final = "~"  # no word has it, so that a stem and a word of the same letters are two things
CACHED_WORDS: Final = 32_768

# Language subtag: name of Snowball's algorithm.
ALGORITHMS: Final = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}

# Thai and Lao, Myanmar, Khmer, kana and the prolonged sound mark, Han: by code point, first and last.
_SPACELESS: Final = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3031, 0x3035),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FE),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x323AF),
)
_ZERO_WIDTH_SPACE: Final = "\u200b"
# NFKC would make letters of them: `Windows™` would be `windowstm`.
_TRADE_MARKS: Final = re.compile("[\u2120\u2122]")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u0060\u02bc", "'"))
_APOSTROPHE_S: Final = re.compile(r"(?<=\w)'s(?!\w)")

# The quick way for ASCII: what separates is a space, and what it does not know is marked.
_SPECIAL: Final = b"\0"
_ASCII: Final = bytes(
    0 if chr(code) in "'`+#" else ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else ord(" ")
    for code in range(256)
)
# Over the kinds of the characters: a run of letters with their marks, or a character that stands alone.
_WORD: Final = re.compile(r"l[lm]*(?:\+++(?![la]))?|am*")


class Word(NamedTuple):
    """A word as it is compared, and the same with its diacritics, from which stems are taken."""

    folded: str
    accented: str


def folded_words(text: str) -> list[str]:
    """The words of `text` as they are compared."""
    if text.isascii():
        spaced = text.encode().translate(_ASCII)
        if _SPECIAL not in spaced:
            return spaced.decode().split()
    return _split(normalize(_TRADE_MARKS.sub("", text)))


def words_of(text: str) -> tuple[Word, ...]:
    """The words of `text`."""
    folded = folded_words(text)
    accented = folded if text.isascii() else _split(_accented(_TRADE_MARKS.sub("", text)))
    if len(accented) != len(folded):  # folding made or took a separator, as it does with very few characters
        accented = folded
    return tuple(map(Word, folded, accented))


def primary(language: str | None) -> str | None:
    """The primary subtag of a language tag: `en` of `en-US`."""
    return None if language is None else language.replace("_", "-").partition("-")[0].lower()


@functools.lru_cache(maxsize=CACHED_WORDS)
def forms(word: Word, language: str | None) -> frozenset[str]:
    """The keys of a word in a language: two words are the same if they share one."""
    return frozenset({word.folded, *stem_keys(word, language)})


def stem_keys(word: Word, language: str | None) -> set[str]:
    """The keys of `forms` that are stems; none where the language's primary subtag has no algorithm."""
    if language not in ALGORITHMS or len(word.folded) < MIN_STEMMED_LENGTH:
        return set()
    stem = _stemmer(ALGORITHMS[language])
    stems = {stem(spelling) for spelling in {word.accented, word.folded}}
    return {STEM + (found if found.isascii() else normalize(found)) for found in stems if found}


class _Stemmer:
    """One of Snowball's, which keep the word that they are at: callers take turns."""

    def __init__(self, algorithm: str) -> None:
        # 20 ms that a cold start can do without.
        import snowballstemmer  # type: ignore[import-untyped]  # noqa: PLC0415

        self._lock = threading.Lock()
        self._stemmer = snowballstemmer.stemmer(algorithm)

    def __call__(self, word: str) -> str:
        with self._lock:
            return str(self._stemmer.stemWord(word))


_stemmer: Final = functools.cache(_Stemmer)


def _accented(text: str) -> str:
    """`normalize` but for the diacritics, which stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)


def _split(text: str) -> list[str]:
    visible = "".join(character for character in _APOSTROPHE_S.sub("", text) if _kind(character))
    kinds = "".join(map(_kind, visible))
    return [visible[found.start() : found.end()] for found in _WORD.finditer(kinds)]


@functools.cache
def _kind(character: str) -> str:
    """`l` letter or digit, `m` mark, `a` a word alone, `+` + or #, nothing if unseen; else a space."""
    category = unicodedata.category(character)
    if category[0] in "LN":
        code = ord(character)
        return "a" if any(first <= code <= last for first, last in _SPACELESS) else "l"
    if category[0] == "M":
        return "m"
    if category == "Cf" and character != _ZERO_WIDTH_SPACE:
        return ""
    return "+" if character in "+#" else " "

"""Normalized keyword text: the one form in which texts are compared and keyed.

Video Indexer's keyword ids are local to one answer and its spellings vary with the source (speech,
OCR), so the normalized text is what identifies a keyword across versions and videos.
"""

import re
import unicodedata
from typing import Final

_VARIANTS: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)
# Marks that can go without changing the word: those of Latin, Greek and Cyrillic, Hebrew points,
# Arabic short vowels. Not the Japanese voicing marks or the vowel signs of Indic and Thai script.
_DIACRITICS: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]"
)


def normalize(text: str) -> str:
    """Fold `text` to the form in which keywords are compared.

    Unicode NFKC, quotes and dashes unified, case folded, diacritics folded, white space collapsed.
    Idempotent: `normalize(normalize(text)) == normalize(text)`.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    stripped = _DIACRITICS.sub("", unicodedata.normalize("NFKD", folded))
    # No second fold is needed: no character with case is composed with a mark that is not stripped.
    unified = unicodedata.normalize("NFKC", stripped).translate(_VARIANTS)
    return " ".join(unified.split())

"""Normalized keyword text."""

import sys
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.documents.text import normalize


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("Office Insider", "office insider"),
        ("café", "cafe"),
        ("cafe\u0301", "cafe"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁlm  festival\u00a0", "film festival"),
        ("\u2018clock", "'clock"),
        ("one\u2014two", "one-two"),
        ("ux/ui", "ux/ui"),
        ("production #t12", "production #t12"),
        ("ＡＩ", "ai"),
        ("ﾛﾎﾞｯﾄ", "ロボット"),
        ("がか", "がか"),
        ("בְּיּוּב", "ביוב"),
        ("नमस्ते", "नमस्ते"),
    ],
)
def test_folds_case_width_diacritics_and_punctuation_but_not_letters(text: str, normalized: str) -> None:
    assert normalize(text) == normalized


def decomposition(character: str) -> list[str]:
    """Return the characters that canonically compose `character`."""
    parts = unicodedata.decomposition(character).split()
    return [] if parts[:1] and parts[0].startswith("<") else [chr(int(part, 16)) for part in parts]


def is_inert(character: str) -> bool:
    """Return whether no step of `normalize` changes the character or composes it with another."""
    decomposed = unicodedata.normalize("NFKD", character)
    alone = decomposed == character == character.casefold() and not unicodedata.combining(character)
    return alone and not character.isspace() and character not in COMPOSED


SEPARATOR = "\ue000"  # for private use: nothing decomposes to it or composes with it
CHARACTERS = [
    chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000 and chr(code) != SEPARATOR
]
PAIRS = [pair for pair in map(decomposition, CHARACTERS) if len(pair) == 2]
COMPOSED = {character for pair in PAIRS for character in pair}
# Each character that composes with one before it, and one of each combining class. U+0345 folds to a letter.
MARKS = {second for _, second in PAIRS} | {
    *{unicodedata.combining(each): each for each in CHARACTERS}.values(),
    *("\u0345", "\u3099", "\u200d", "\ufe0f"),
}
HOSTILE = st.text(
    st.characters()
    | st.characters(categories=["Mn", "Mc", "Me"])
    | st.characters(categories=["Lu", "Lt", "Ll", "Lm"])
    | st.characters(categories=["So", "No", "Zs", "Cc"])
    | st.sampled_from(sorted(MARKS))
)


def unstable(texts: Sequence[str]) -> list[str]:
    """Return those of `texts` that normalizing or folding their normalized form changes."""
    # One call for all is as fast as can be. No step takes anything across the separator.
    normalized = normalize(SEPARATOR.join(texts))
    again = normalize(normalized).casefold()
    once, twice = normalized.split(SEPARATOR), again.split(SEPARATOR)
    return [text for text, first, second in zip(texts, once, twice, strict=True) if first != second]


def test_normalizing_any_character_again_changes_nothing() -> None:
    assert unstable(CHARACTERS) == []


def test_normalizing_any_character_with_any_mark_again_changes_nothing() -> None:
    """Every mark after every character that a step changes or composes, over two million pairs."""
    bases = [character for character in CHARACTERS if not is_inert(character)]
    assert len(bases) > 10_000
    assert len(MARKS) > 100
    assert unstable([base + mark for base in bases for mark in MARKS]) == []


@given(HOSTILE)
def test_normalizing_again_changes_nothing(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(HOSTILE)
def test_case_makes_no_difference(text: str) -> None:
    # In NFKC, in which a mark that folds to a letter comes after all others.
    composed = unicodedata.normalize("NFKC", text)
    assert normalize(composed.casefold()) == normalize(composed) == normalize(text)

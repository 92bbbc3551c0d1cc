"""Normalized keyword text."""

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


@given(st.text())
def test_normalizing_again_changes_nothing(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_case_never_makes_a_difference(text: str) -> None:
    assert normalize(text.casefold()) == normalize(text)

"""Cursors: of one search only, and never an exception of another kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.archive.cursor import Cursor, InvalidCursorError, decode, encode, print_of

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(NUMBERS, NUMBERS)
def test_comes_back_as_it_was(key: int, video: int) -> None:
    cursor = Cursor(print_of("film"), key, video)
    assert decode(encode(cursor), print_of("film")) == cursor


@given(st.text() | st.binary().map(lambda data: data.hex()))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode(text, print_of("film"))


def test_numbers_beyond_the_databases_are_refused() -> None:
    with pytest.raises(InvalidCursorError):
        decode(encode(Cursor("x", 2**63, 0)), "x")

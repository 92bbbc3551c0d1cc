"""The query language: terms, groups, and errors with a position."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.archive.query import MAX_LENGTH, QuerySyntaxError, Term, parse, spells
from keywire.interests.matching.words import words_of


def terms(text: str) -> list[list[tuple[str, str]]]:
    """Each term of each group, with its signs."""
    return [[(_signs(term), term.text) for term in group] for group in parse(text).groups]


def _signs(term: Term) -> str:
    return ("-" if term.negated else "") + ("=" if term.exact else "") + ("*" if term.prefix else "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("festival", [[("", "festival")]]),
        ("  film\tfestival\n", [[("", "film"), ("", "festival")]]),
        ("film\u3000festival", [[("", "film"), ("", "festival")]]),
        ('"film festival"', [[("", "film festival")]]),
        ("\u201cfilm festival\u201d", [[("", "film festival")]]),
        ("\u201efilm festival\u201c", [[("", "film festival")]]),
        ("\u00abfilm festival\u00bb", [[("", "film festival")]]),
        ('="US" -contact', [[("=", "US"), ("-", "contact")]]),
        ('film -="US"', [[("", "film"), ("-=", "US")]]),
        ('film -"old film"', [[("", "film"), ("-", "old film")]]),
        ("festiv*", [[("*", "festiv")]]),
        ("a b OR c", [[("", "a"), ("", "b")], [("", "c")]]),
        ("film or wind", [[("", "film"), ("", "or"), ("", "wind")]]),
        ("ORange", [[("", "ORange")]]),
        ("c++ at&t", [[("", "c++"), ("", "at&t")]]),
        ("e-mail", [[("", "e-mail")]]),
        ("人工知能", [[("", "人工知能")]]),
        ('"a * b"', [[("", "a * b")]]),
    ],
)
def test_reads_terms_and_groups(text: str, expected: list[list[tuple[str, str]]]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "a term"),
        ("   ", 3, "a term"),
        ("film OR", 7, "a term"),
        ("OR film", 0, "a term"),
        ("film OR OR wind", 8, "a term"),
        ('"film', 5, "closes the one at character 1"),
        ('film "wind', 10, "closes the one at character 6"),
        ('"film"wind', 6, "a space"),
        ("=US", 1, "a quotation mark"),
        ("-", 1, "a letter or a digit"),
        ("film !!!", 5, "a letter or a digit"),
        ('""', 0, "a letter or a digit"),
        ("-film", 0, "to find"),
        ("film OR -wind", 8, "to find"),
        ("(film OR wind) power", 0, "parentheses"),
        ("fi*lm", 2, "at the end"),
        ("*film", 0, "at the end"),
        ("f*", 0, "at least 2 characters"),
        (" ".join(["film"] * 17), 80, "at most 16 terms"),
        ("f" * 501, 500, "at most 500 characters"),
        (f'"{"a " * 33}"', 0, "at most 32 words"),
    ],
)
def test_names_the_position_and_what_was_expected(text: str, position: int, expected: str) -> None:
    with pytest.raises(QuerySyntaxError, match=f"character {position + 1}: expected") as raised:
        parse(text)
    assert raised.value.position == position
    assert expected in raised.value.expected


@given(
    st.text(alphabet=st.sampled_from("ab-=\"*OR \u201c\u201d\u00ab()\0!界한\u0301&|:<>\\'"), max_size=30)
    | st.text()
)
def test_any_text_is_a_query_or_an_error_with_a_position(text: str) -> None:
    try:
        query = parse(text)
    except QuerySyntaxError as error:
        assert 0 <= error.position <= min(len(text), MAX_LENGTH)  # noqa: PT017 - or none
    else:
        assert all(any(not term.negated for term in group) for group in query.groups)
        assert all(term.words for group in query.groups for term in group)


@pytest.mark.parametrize(
    ("text", "exact", "expected"),
    [
        ("contact us", "US", False),
        ("US economy", "US", True),
        ("the US", "US", True),
        ("USA", "US", False),
        ("ÉUS us", "US", False),
        ("USA, US", "US", True),
        ("U.S. policy", "U.S.", True),
        ("東京都", "京都", True),
        ("anime animals", "anime", True),
        ("animals", "anime", False),
        ("C++ course", "C", False),
    ],
)
def test_an_exact_spelling_is_not_inside_a_longer_word(text: str, exact: str, expected: bool) -> None:
    assert spells(text, exact) is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_text_spells_itself_between_spaces(before: str, after: str) -> None:
    assert spells(f"{before} wind {after}", "wind")
    assert not words_of("") or spells("", "")

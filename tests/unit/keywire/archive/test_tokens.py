"""Tokens: what is written into the index, and what a query asks of it."""

import pytest

from keywire.archive.tokens import phrase, vector
from keywire.interests.matching.words import words_of


def query(text: str, *languages: str, prefix: bool = False) -> str:
    return phrase(words_of(text), languages, prefix=prefix)


def test_a_word_and_its_stem_with_the_language_have_the_words_position() -> None:
    assert sorted(vector("film festivals", "en-US").split()) == [
        "'festivals':2",
        "'film':1",
        "'~en~festiv':2",
        "'~en~film':1",
    ]


def test_a_keyword_without_a_label_has_its_words_only() -> None:
    assert vector("film festivals", None) == "'film':1 'festivals':2"


def test_a_character_is_a_word_in_scripts_without_spaces() -> None:
    assert vector("知能知", "ja-JP") == "'知':1,3 '能':2"
    assert query("知能") == "('知')<->('能')"


def test_a_query_asks_for_the_forms_of_every_language() -> None:
    assert query("festivals", "en", "de") == "('festivals'|'~de~festival'|'~en~festiv')"


def test_a_prefix_is_of_the_last_word_and_never_of_a_stem() -> None:
    assert query("film fes", "en", prefix=True) == "('film'|'~en~film')<->'fes':*"
    assert not any(token.startswith("'en") for token in vector("film", "en").split())


def test_a_korean_word_is_found_with_its_particles() -> None:
    assert query("인공지능") == "'인공지능':*"


@pytest.mark.parametrize("text", ["o'neill's", "back\\slash", "a:b<->c", "'; drop table --"])
def test_no_text_leaves_its_quotation_marks(text: str) -> None:
    written = vector(text, "en")
    assert written.count("'") % 2 == 0
    assert "\\" not in written


def test_a_word_beyond_the_indexs_limit_is_a_hash() -> None:
    long = "w" * 1500
    (token,) = vector(long, None).split()
    assert token.startswith("'~~")
    assert len(token) < 50
    assert token.split(":")[0] in query(long)
    assert query(long, prefix=True) == query(long)

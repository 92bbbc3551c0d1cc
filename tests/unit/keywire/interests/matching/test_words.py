"""Words: what separates them, which scripts have none, and when two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.documents.text import normalize
from keywire.interests.matching.words import Word, folded_words, forms, primary, words_of


def is_same(one: str, other: str, language: str | None) -> bool:
    (first,), (second,) = words_of(one), words_of(other)
    return not forms(first, language).isdisjoint(forms(second, language))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ux/ui", ["ux", "ui"]),
        ("'clock", ["clock"]),
        ("trade-in — offer", ["trade", "in", "offer"]),
        ("AT&T", ["at", "t"]),
        (".NET", ["net"]),
        ("U.S.", ["u", "s"]),
        ("#england_2026", ["england", "2026"]),
        ("!?", []),
    ],
)
def test_punctuation_separates(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C++ or C#", ["c++", "or", "c#"]),
        ("c++11", ["c", "11"]),
        ("rock+roll", ["rock", "roll"]),
        ("Ｃ＃", ["c#"]),
    ],
)
def test_plus_and_hash_belong_to_the_word_that_they_end(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


@pytest.mark.parametrize("text", ["McDonald's", "mcdonald’s", "McDonald`s", "mcdonaldʼs"])
def test_an_apostrophe_s_goes(text: str) -> None:
    assert folded_words(text) == ["mcdonald"]


@pytest.mark.parametrize(("text", "words"), [("l’eau", ["l", "eau"]), ("O'Neill", ["o", "neill"])])
def test_any_other_apostrophe_separates(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


@pytest.mark.parametrize("text", ["Windows™", "win\u00addows", "win\u200ddows", "\ufeffwindows"])
def test_what_nobody_sees_and_trade_marks_leave_the_word_whole(text: str) -> None:
    assert folded_words(text) == ["windows"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("人工知能学会", ["人", "工", "知", "能", "学", "会"]),
        ("ロボットOS", ["ロ", "ボ", "ッ", "ト", "os"]),
        ("ｺｰﾋｰ", ["コ", "ー", "ヒ", "ー"]),
        ("東京・大阪", ["東", "京", "大", "阪"]),
        ("ที่", ["ที่"]),
        ("한국 영화", ["한국", "영화"]),
        ("हिन्दी", ["हिन्दी"]),
    ],
)
def test_a_character_is_a_word_where_no_spaces_are_written_and_keeps_its_marks(
    text: str, words: list[str]
) -> None:
    assert folded_words(text) == words


def test_a_word_keeps_its_diacritics_beside_the_folded_form() -> None:
    assert words_of("Café") == (Word("cafe", "café"),)
    assert words_of("Straße") == (Word("strasse", "strasse"),)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("movies", "movie", "en"),
        ("festivals", "festival", "en"),
        ("Häuser", "Haus", "de"),
        ("hauser", "Haus", "de"),
        ("élections", "election", "fr"),
        ("фильмы", "фильм", "ru"),
        ("CAFÉ", "cafe", "en"),
        ("cafe", "café", None),
        ("café", "cafe", "xx"),
    ],
)
def test_words_are_the_same_folded_or_by_a_stem_of_the_language(
    one: str, other: str, language: str | None
) -> None:
    assert is_same(one, other, language)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("england", "english", "en"),
        ("movies", "movie", None),
        ("movies", "movie", "ja"),
        ("movi", "movies", "xx"),
        ("us", "u", "en"),
        ("c++", "c", "en"),
    ],
)
def test_other_words_are_not(one: str, other: str, language: str | None) -> None:
    assert not is_same(one, other, language)


def test_the_primary_subtag_is_the_language() -> None:
    assert [primary(label) for label in ("en-US", "EN_gb", "ja", None)] == ["en", "en", "ja", None]


@given(st.text())
def test_every_text_has_words_without_separators_and_the_same_when_they_are_joined(text: str) -> None:
    words = folded_words(text)
    assert all(words)
    assert len(words_of(text)) == len(words)
    assert [word.folded for word in words_of(text)] == words
    assert not any(character.isspace() for word in words for character in word)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_no_other_way(text: str) -> None:
    assert folded_words(text) == folded_words(text + "\u00a0é")[:-1]


@given(st.text())
def test_the_normalized_text_has_the_same_words_as_the_text(text: str) -> None:
    assert folded_words(normalize(text.replace("™", "").replace("℠", ""))) == folded_words(text)

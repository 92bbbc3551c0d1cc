"""What an interest's term meets, the archive finds, and nothing else: term by term, in fourteen languages."""

import os
import random
from collections.abc import Iterator

import pytest

from keywire.archive.archive import Filters
from keywire.archive.moments import archived
from keywire.archive.query import parse
from keywire.documents.document import KeywordDocument
from keywire.interests.matching.document_words import DocumentWords
from keywire.interests.matching.words import words_of
from tests.support.archives import OwnArchive, document, sent

NIGHTLY = os.environ.get("KEYWIRE_FUZZ") == "nightly"
DOCUMENTS, TERMS = (400, 3000) if NIGHTLY else (150, 400)
SEEDS = [random.randrange(2**32)] if NIGHTLY else [1, 2]

WORDS: dict[str, str] = {
    "en-US": "film films festival festivals movie movies C++ C# C AT&T children's children US us wind power café "
    "cafe running run runs e-mail email U.S. naïve it IT",
    "en-GB": "colour colours theatre theatres premier premiers organise organised",
    "de-DE": "Festspiele Festspiel Wahl Wahlen Große große Koalition Koalitionen Straße Strasse Windkraft Kräfte",
    "fr-FR": "élections élection elections école écoles l'eau eau œuvre oeuvre cinéma cinémas",
    "es-ES": "canción canciones cancion elecciones elección niño niños nino",
    "it-IT": "città elezione elezioni canzone canzoni perché",
    "pt-BR": "eleições eleição ação acoes coração corações",
    "ru-RU": "выборы выбор президента президент фильмы фильм ёлка елка",
    "tr-TR": "İstanbul istanbul ışık isik filmler film kitaplar kitap",
    "ar-SA": "المهرجان مهرجان السينمائي مَدرَسَة مدرسة كتاب الكتب",
    "hi-IN": "चुनाव चुनावों फ़िल्म फिल्म कल काल",
    "ja-JP": "人工 知能 学会 東京都 京都 ロボット ﾛﾎﾞｯﾄ カラス ガラス アニメ",
    "zh-Hans": "人工智能 智能 北京 奥运会 电影 节",
    "th-TH": "ปัญญาประดิษฐ์ ปัญญา ภาพยนตร์",
    "he-IL": "בית ספר הספר הקולנוע קולנוע",
    "hu-HU": "film filmek választás választások",
    "und": "film films 知能 cafe café",
}
SPACELESS = {"ja-JP", "zh-Hans", "th-TH"}


def texts(random_: random.Random, language: str) -> str:
    words = WORDS[language].split()
    chosen = random_.choices(words, k=random_.choice((1, 1, 2, 2, 3)))
    text = ("" if language in SPACELESS else " ").join(chosen)
    return random_.choice((text, text, text.upper(), text.title()))


def documents(random_: random.Random) -> Iterator[KeywordDocument]:
    languages = [*WORDS, None]
    for number in range(DOCUMENTS):
        keywords = []
        for _ in range(random_.randrange(1, 8)):
            language = random_.choice(languages)
            keywords.append(
                sent(
                    texts(random_, language or random_.choice(list(WORDS))),
                    language,
                    confidence=random_.choice((0.5, 0.7, 0.9, None)),
                    seconds=random_.randrange(60),
                )
            )
        yield document(f"v{number:04}", *keywords)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_term_finds_the_keywords_that_an_interests_term_meets(own: OwnArchive, seed: int) -> None:
    random_ = random.Random(seed)
    stored = list(documents(random_))
    await own.archive.put_many([archived(each) for each in stored])
    words = {each.video_id: DocumentWords(each) for each in stored}
    met_something = 0
    for _ in range(TERMS):
        term = texts(random_, random_.choice(list(WORDS)))
        expected = {
            video_id: {keyword.text for keyword in found}
            for video_id, document_words in words.items()
            if (found := document_words.meeting(words_of(term)))
        }
        page = await own.archive.search(parse(f'"{term}"'), Filters(), limit=DOCUMENTS)
        found = {video.video_id: {moment.text for moment in video.moments} for video in page.videos}
        assert found == expected, term
        assert page.total == len(expected)
        met_something += bool(expected)
    assert met_something > TERMS / 2

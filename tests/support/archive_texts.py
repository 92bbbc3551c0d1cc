"""Random documents and queries in seventeen languages, from words with their forms."""

import random
from collections.abc import Iterator
from datetime import timedelta

from keywire.archive.archive import Filters
from keywire.documents.document import KeywordDocument
from tests.support.archives import NOW, document, sent

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


def text_of(random_: random.Random, language: str) -> str:
    """One to three words of a language, in some case."""
    words = WORDS[language].split()
    chosen = random_.choices(words, k=random_.choice((1, 1, 2, 2, 3)))
    text = ("" if language in SPACELESS else " ").join(chosen)
    return random_.choice((text, text, text.upper(), text.title()))


def documents(random_: random.Random, count: int) -> Iterator[KeywordDocument]:
    """Documents with up to seven keywords, at random times, some with metadata."""
    languages = [*WORDS, None]
    for number in range(count):
        keywords = []
        for _ in range(random_.randrange(1, 8)):
            language = random_.choice(languages)
            keywords.append(
                sent(
                    text_of(random_, language or random_.choice(list(WORDS))),
                    language,
                    confidence=random_.choice((0.5, 0.7, 0.9, None)),
                    seconds=random_.randrange(60),
                )
            )
        yield document(
            f"v{number:04}",
            *keywords,
            extracted_at=NOW - timedelta(hours=random_.randrange(24 * 20)),
            external_id=random_.choice((None, "north", "south")),
            metadata=random_.choice((None, "not JSON", '{"desk": "news", "shift": 2}', '{"desk": "sport"}')),
            state=random_.choice(("Processed", "Processed", "Failed")),
        )


def query_of(random_: random.Random) -> str:
    """One to three groups of one to three terms of every kind."""
    return " OR ".join(
        " ".join(
            ("-" if number and random_.random() < 0.3 else "") + _term(random_)
            for number in range(random_.choice((1, 2, 2, 3)))
        )
        for _ in range(random_.choice((1, 1, 2, 3)))
    )


def _term(random_: random.Random) -> str:
    text = text_of(random_, random_.choice(list(WORDS)))
    kind = random_.randrange(4)
    if kind == 0:
        return f'"{text}"'
    if kind == 1:
        return f'="{text}"'
    if kind == 2 and " " not in text and len(text) > 3:
        return f"{text[: random_.randrange(2, len(text))]}*"
    return text.split()[0]


def filters_of(random_: random.Random) -> Filters:
    """Filters of which most are not set."""

    def some[T](value: T) -> T | None:
        return value if random_.random() < 0.2 else None

    return Filters(
        languages=some(random_.choice((("en",), ("de-DE", "fr"), ("EN-us",)))) or (),
        created_from=some(NOW - timedelta(days=random_.randrange(20))),
        created_to=some(NOW - timedelta(days=random_.randrange(10))),
        min_confidence=some(random_.choice((0.5, 0.6, 0.8))),
        min_seconds=some(float(random_.randrange(40))),
        external_id=some(random_.choice(("north", "west"))),
        metadata=some(random_.choice(({"desk": "news"}, {"desk": "news", "shift": "2"}, {"x": "y"}))),
        states=some(("Failed",)) or (),
    )

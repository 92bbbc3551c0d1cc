"""Documents and interests for the measurements: generated, the same at every run.

`CONCERNED` interests concern the documents, whatever the size of the file. All others are near misses: words
of the documents, whole keywords of theirs and beginnings of their phrases, but always together with a word
that no document has, so that nothing of them is met.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from keywire.documents import document as documents
from keywire.documents.content import Content, SentKeyword
from keywire.documents.document import KeywordDocument

CONCERNED: Final = 20
HEARD_WORDS: Final = 3_000
OTHER_WORDS: Final = 60_000
# Confidences that Video Indexer gives.
CONFIDENCES: Final = (0.6211, 0.69, 0.7217, 0.8041, 0.9752, 0.9975)
_SYLLABLES: Final = (
    "ba ce di fo gu ha je ki lo mu na pe ri so tu va we bri cla dre flo gru pla ste tri".split()
)
_ENDINGS: Final = ("", "", "s", "ing", "ed", "ation", "er", "al")


def write_documents(keyword_count: int, count: int) -> list[KeywordDocument]:
    """Documents of `keyword_count` keywords each, of one to three words."""
    chance = random.Random(keyword_count)
    heard = _words(HEARD_WORDS, "")
    return [_document(_keywords(chance, heard, keyword_count)) for _ in range(count)]


def write_interests(count: int, concerned: Sequence[KeywordDocument]) -> Iterator[bytes]:
    """An interests file of `count` interests, piece by piece; the first `CONCERNED` concern documents."""
    chance = random.Random(1)
    texts = [keyword["text"] for document in concerned for keyword in document.keywords]
    phrases = [text for text in texts if " " in text]
    heard = [word for phrase in phrases for word in phrase.split()]
    others = _words(OTHER_WORDS, "z")
    yield b'{"interests": ['
    for number in range(count):
        if number < CONCERNED:
            terms: dict[str, Any] = {"anyOf": chance.sample(phrases, 3)}
        else:
            terms = _near_miss(chance, phrases, heard, others)
        name = f"{chance.choice(others)} {number}"
        attributes = {"campaign": f"c-{number}", "iab": f"IAB{number % 26 + 1}"}
        entry = {"id": f"interest-{number}", "name": name, **terms, "attributes": attributes}
        yield (b",\n" if number else b"\n") + msgspec.json.encode(entry)
    yield b"\n]}\n"


def _near_miss(
    chance: random.Random, phrases: Sequence[str], heard: Sequence[str], others: Sequence[str]
) -> dict[str, Any]:
    other = [chance.choice(others) for _ in range(4)]
    shape = chance.random()
    if shape < 0.15:
        return {"allOf": [chance.choice(phrases), f"{other[0]} {other[1]}"]}
    if shape < 0.25:
        return {"allOf": [chance.choice(heard), other[0]], "anyOf": [f"{other[1]} {other[2]}", other[3]]}
    any_of = [
        f"{chance.choice(heard)} {other[0]}",
        f"{chance.choice(phrases)} {other[1]}",
        f"{other[2]} {chance.choice(heard)}",
        other[3],
    ]
    if shape < 0.5:
        return {"anyOf": any_of[:3], "noneOf": [chance.choice(heard)], "minConfidence": 0.6}
    return {"anyOf": any_of, "languages": ["en"]} if shape < 0.75 else {"anyOf": any_of[:2]}


def _words(count: int, beginning: str) -> list[str]:
    """Different words; those that begin with z have no stem in common with the others."""
    chance = random.Random(count)
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = chance.choices(_SYLLABLES, k=chance.choice((2, 2, 3)))
        found[beginning + "".join(syllables) + chance.choice(_ENDINGS)] = None
    return list(found)


def _keywords(chance: random.Random, heard: Sequence[str], count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        start = chance.randrange(3000)
        yield {
            "id": number,
            "text": " ".join(chance.choices(heard, k=chance.choice((1, 1, 2, 2, 3)))),
            "confidence": chance.choice(CONFIDENCES),
            "language": "en-US",
            "instances": [
                {"start": f"{start // 3600}:{start // 60 % 60:02}:{start % 60:02}", "end": "1:30:00"}
            ],
        }


def _document(keywords: Iterator[dict[str, Any]]) -> KeywordDocument:
    content = Content(
        name="A video",
        external_id=None,
        metadata=None,
        duration_seconds=5400.0,
        language="en-US",
        source_languages=("en-US",),
        indexing_preset="Default",
        insights_version="1.0.0.0",
        state="Processed",
        failure_code=None,
        source_videos=(),
        unreadable_keywords=0,
        keywords=tuple(SentKeyword(video_id=None, fields=keyword) for keyword in keywords),
    )
    return documents.build(
        content,
        account_id="8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63",
        video_id="abcdefghij",
        previous=None,
        failure_message=None,
        extracted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )

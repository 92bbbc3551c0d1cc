"""Generated indexes of the size of real ones.

A real answer for a talk of a few minutes has some twenty keywords and, with transcript, OCR and faces, one to
two hundred kilobytes of which the keywords are a twentieth. These are made to the same measure.
"""

import json
import random
from typing import Any, Final

KEYWORDS: Final = 25
LINES: Final = 220

_WORDS: Final = """
harbour festival england movie premiere robot energy market award museum coast railway orchestra
launch archive newsroom studio travel kitchen garden history village bridge weather football
election science ocean planet camera painting novel station airport teacher student hospital factory
summit climate
""".split()


def index(number: int, *, keywords: int = KEYWORDS, lines: int = LINES) -> bytes:
    """The index of video `number`, always the same for the same arguments."""
    chance = random.Random(number)
    insights = {
        "version": "1.0.0.0",
        "duration": "0:10:00",
        "sourceLanguage": "en-US",
        "language": "en-US",
        "transcript": [_line(chance, line, confidence=0.9) for line in range(lines)],
        "ocr": [_line(chance, line, confidence=0.99) | {"left": 1, "top": 2} for line in range(lines)],
        "keywords": [_keyword(chance, keyword) for keyword in range(keywords)],
    }
    video = {
        "id": "x",
        "state": "Processed",
        "failureCode": "None",
        "externalId": f"cms-{number}",
        "metadata": None,
        "indexingPreset": "Default",
        "sourceLanguages": ["en-US"],
        "insights": insights,
    }
    return json.dumps(
        {"id": "x", "name": f"Video {number}", "state": "Processed", "videos": [video]}
    ).encode()


def _keyword(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "text": " ".join(chance.sample(_WORDS, chance.randint(1, 3))),
        "confidence": round(chance.random(), 4),
        "language": "en-US",
        "instances": [_instance(chance) for _ in range(chance.randint(1, 5))],
    }


def _line(chance: random.Random, number: int, *, confidence: float) -> dict[str, Any]:
    text = " ".join(chance.choices(_WORDS, k=12))
    return {
        "id": number + 1,
        "text": text,
        "confidence": confidence,
        "speakerId": 1,
        "language": "en-US",
        "instances": [_instance(chance)],
    }


def _instance(chance: random.Random) -> dict[str, str]:
    seconds = chance.random() * 590
    start, end = (f"0:{int(at // 60):02}:{at % 60:06.3f}" for at in (seconds, seconds + 3))
    return {"adjustedStart": start, "adjustedEnd": end, "start": start, "end": end}

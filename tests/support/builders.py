"""Responses of Get Video Index, and the ids that they have in common."""

import json
from typing import Any

ACCOUNT_ID = "8f2d6a4e-3b71-4c58-9e0a-5d1c7b9f2e63"
VIDEO_ID = "12345abcde"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def instance(start: str, end: str) -> dict[str, str]:
    return {"adjustedStart": start, "adjustedEnd": end, "start": start, "end": end}


def keyword(text: str, *, confidence: float | None = 0.9, **fields: Any) -> dict[str, Any]:
    times = fields.pop("instances", [instance("0:00:01", "0:00:03")])
    return {"id": 1, "text": text, "confidence": confidence, "language": "en-US", "instances": times} | fields


def index(
    keywords: object = (), *, state: str = "Processed", video: dict[str, Any] | None = None, **root: Any
) -> bytes:
    """Return the body of a response; `keywords=None` omits the key."""
    insights: dict[str, Any] = {"version": "1.0.0.0", "duration": "0:01:40", "language": "en-US"}
    if keywords is not None:
        insights["keywords"] = list(keywords) if isinstance(keywords, tuple) else keywords
    inner = {
        "id": VIDEO_ID,
        "state": state,
        "failureCode": "None",
        "failureMessage": "",
        "externalId": "cms-1",
        "metadata": None,
        "indexingPreset": "Default",
        "sourceLanguages": ["en-US"],
        "insights": insights,
    }
    payload = {"id": VIDEO_ID, "name": "A video", "state": state, "videos": [inner | (video or {})]}
    return json.dumps(payload | root, ensure_ascii=False).encode()

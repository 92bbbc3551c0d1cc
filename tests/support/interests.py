"""Interests for tests, as they are written in the interests file."""

from typing import Any


def interest(name: str, *terms: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "anyOf": list(terms or (name,)), **fields}


FESTIVALS = interest("festivals", "festival", attributes={"campaign": "spring", "iab": ["IAB1-5"]})
ROBOTS = interest("robots", "robot")

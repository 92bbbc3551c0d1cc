"""The JSON Schemas of what others read and write: generated from the types, checked in, and kept compatible.

`schemas/` has what the code says now, `schemas/released/` what consumers were promised. `python3 dev.py
schemas` writes the first anew; with `--release` also the second, which is a decision and not a chore. The
bodies in `docs/openapi.yaml` are written with them.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from emulators.framework.checkout import PROJECT
from keywire.documents.document import KeywordDocument
from keywire.events import data, envelope
from keywire.events import interests as interest_events
from keywire.interests.interest import InterestsFile
from tools import openapi
from tools.schema_changes import Direction, incompatibilities

SCHEMAS: Final = PROJECT / "schemas"
RELEASED: Final = SCHEMAS / "released"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DOCUMENT: Final = "keywire.document.v1"
INTERESTS: Final = "keywire.interests.v1"
# What each type's events carry, or what a file holds.
TYPES: Final[Mapping[str, Any]] = {
    envelope.EXTRACTED: data.ExtractedData,
    envelope.CHANGED: data.ChangedData,
    envelope.FAILED: data.FailedData,
    envelope.REMOVED: data.RemovedData,
    interest_events.MATCHED: data.MatchedData,
    interest_events.WITHDRAWN: data.WithdrawnData,
    DOCUMENT: KeywordDocument,
    INTERESTS: InterestsFile,
}
# Interests are written by others and read by us: there a change must not refuse what was good.
WRITTEN_BY_OTHERS: Final = frozenset({INTERESTS})


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one type."""
    generated = msgspec.json.schema(TYPES[name], ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "$id": envelope.schema_of(name), **generated}


def encode(schema: Mapping[str, Any]) -> str:
    """As it is checked in."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def problems(schemas: Path = SCHEMAS, released: Path = RELEASED) -> list[str]:
    """What is wrong with the schemas, a sentence each."""
    found = []
    for name in TYPES:
        now = schema_of(name)
        file, promised = schemas / f"{name}.json", released / f"{name}.json"
        if not file.exists() or file.read_text("utf-8") != encode(now):
            found.append(f"schemas/{file.name} is not what the types say: run `python3 dev.py schemas`")
        if promised.exists():
            direction: Direction = "read" if name in WRITTEN_BY_OTHERS else "written"
            old = json.loads(promised.read_text("utf-8"))
            found += [f"{name}: {change}" for change in incompatibilities(old, now, direction)]
    return found


def main() -> int:
    """Write the schemas."""
    parser = argparse.ArgumentParser(prog="dev.py schemas", description=__doc__)
    parser.add_argument("--release", action="store_true", help="promise them to consumers")
    for folder in [SCHEMAS, *([RELEASED] if parser.parse_args().release else [])]:
        folder.mkdir(exist_ok=True)
        for name in TYPES:
            (folder / f"{name}.json").write_text(encode(schema_of(name)), "utf-8")
    openapi.FILE.write_text(openapi.write(openapi.FILE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

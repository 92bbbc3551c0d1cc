"""The JSON Schemas of documents, events and interests: generated from the types, and kept compatible.

`schemas/` describes the code as it is. `schemas/released/` is what consumers were promised: `dev.py check`
refuses a change that breaks it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
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
# By name: the data of an event type, or the content of a file.
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
# Operators write interests and Keywire reads them, so a change must still accept every file that was valid.
WRITTEN_BY_OTHERS: Final = frozenset({INTERESTS})


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema of one of `TYPES`."""
    generated = msgspec.json.schema(TYPES[name], ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "$id": envelope.schema_of(name), **generated}


def encode(schema: Mapping[str, Any]) -> str:
    """Return the text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def problems(schemas: Path = SCHEMAS, released: Path = RELEASED) -> list[str]:
    """Return what is wrong with the schemas, a sentence each."""
    found = []
    for name in TYPES:
        now = schema_of(name)
        file, promised = schemas / f"{name}.json", released / f"{name}.json"
        if not file.exists() or file.read_text("utf-8") != encode(now):
            found.append(f"schemas/{file.name} does not match the types: run `python3 dev.py schemas`")
        if promised.exists():
            direction: Direction = "read" if name in WRITTEN_BY_OTHERS else "written"
            old = json.loads(promised.read_text("utf-8"))
            found += [f"{name}: {change}" for change in incompatibilities(old, now, direction)]
    return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="dev.py schemas",
        description="Write schemas/ and the bodies in docs/openapi.yaml from the types.",
    )
    found.add_argument(
        "--release",
        action="store_true",
        help="promise the schemas to consumers: write schemas/released/ too",
    )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas and the bodies in `docs/openapi.yaml`."""
    release = parser().parse_args(arguments).release
    for folder in [SCHEMAS, *([RELEASED] if release else [])]:
        folder.mkdir(exist_ok=True)
        for name in TYPES:
            (folder / f"{name}.json").write_text(encode(schema_of(name)), "utf-8")
    openapi.FILE.write_text(openapi.write(openapi.FILE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Whether a secret of the run, a person's name or a callback's body got into a log, an event or a document.

Pure but for reading the log files. Where a secret was found is told, never the secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

# Any token of the identity endpoint, of Resource Manager or of Video Indexer: they all are JWTs.
_JWT: Final = rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}"
_TOKEN: Final = "an access token"  # noqa: S105 - no secret


class Secrets:
    """What nobody may read.

    Args:
        named: What each is called, and the texts that it occurs as.
    """

    def __init__(self, named: Mapping[str, Iterable[str]]) -> None:
        self._names = {
            form.encode(): name
            for name, texts in named.items()
            for text in texts
            for form in {text, quote(text, safe="")}
            if text
        }
        # The longest first, so that what is found is called by its own name.
        known = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join([*map(re.escape, known), _JWT]))

    def in_text(self, where: str, text: bytes) -> Iterator[str]:
        """What is found in a text, once each."""
        found = {self._names.get(match.group(), _TOKEN) for match in self._pattern.finditer(text)}
        for name in sorted(found):
            yield f"{where} holds {name}"

    def in_file(self, file: Path) -> Iterator[str]:
        """What is found in a file, once each, with the first line that holds it."""
        told = set()
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                for match in self._pattern.finditer(line):
                    name = self._names.get(match.group(), _TOKEN)
                    if name not in told:
                        told.add(name)
                        yield f"{file.name}:{number} holds {name}"

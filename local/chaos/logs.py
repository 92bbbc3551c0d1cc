"""A file for each process of a run, in one folder: what a person reads when something is wrong."""

import asyncio
import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TextIO

_NAMED = re.compile(r"\[([^\]]+)\] ?(.*)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


class LogFolder(StringIO):
    """A stream for lines like `[name] text`: each goes to the file `name.log`, without its name.

    Attributes:
        seen: How many lines had each of the texts that are looked for.
    """

    def __init__(self, folder: Path, *looked_for: str) -> None:
        super().__init__()
        self.folder = folder
        self.seen: dict[str, int] = dict.fromkeys(looked_for, 0)
        self._files: dict[str, TextIO] = {}
        self._open = ""
        self._awaited: dict[tuple[str, str], asyncio.Future[None]] = {}

    @property
    def files(self) -> list[Path]:
        """The files so far, everything written."""
        self.flush()
        return sorted(self.folder.glob("*.log"))

    def note(self, text: str) -> None:
        """Write a line of the run's own."""
        self.write(f"[run] {datetime.now(UTC):%H:%M:%S.%f} {text}\n")

    async def line(self, name: str, text: str) -> None:
        """Return as soon as the process `name` has logged a line with `text`."""
        awaited = asyncio.get_running_loop().create_future()
        self._awaited[name, text] = awaited
        try:
            await awaited
        finally:
            del self._awaited[name, text]

    def write(self, text: str, /) -> int:
        """Take text; lines may come in parts."""
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            named = _NAMED.fullmatch(line)
            name, rest = named.groups() if named else ("run", line)
            self._file(name).write(f"{rest}\n")
            for looked_for in self.seen:
                self.seen[looked_for] += looked_for in rest
            for (process, part), awaited in self._awaited.items():
                if process == name and part in rest and not awaited.done():
                    awaited.set_result(None)
        return len(text)

    def flush(self) -> None:
        """Write everything to the files."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        super().close()

    def _file(self, name: str) -> TextIO:
        if name not in self._files:
            self._files[name] = (self.folder / f"{_UNSAFE.sub('-', name)}.log").open("a", encoding="utf-8")
        return self._files[name]

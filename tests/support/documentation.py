"""The Markdown files of the project, and the calls of `dev.py` in a text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from emulators.framework.checkout import PROJECT

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_OURS = {"node_modules", "out"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line, the words after the fence, and its text."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A Markdown file: the texts in backticks within its paragraphs, and its fenced blocks."""

    path: Path
    code: tuple[str, ...]
    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return self.path.relative_to(PROJECT).as_posix()


def read(path: Path, text: str | None = None) -> Page:
    """Parse a page; `text` replaces the content of the file."""
    tokens = _MARKDOWN.parse(path.read_text("utf-8") if text is None else text)
    inline = [child for token in tokens for child in token.children or ()]
    return Page(
        path=path,
        code=tuple(token.content for token in inline if token.type == "code_inline"),
        blocks=tuple(
            Block(path, (token.map or [0])[0] + 1, token.info.strip(), token.content)
            for token in tokens
            if token.type == "fence"
        ),
    )


def pages() -> list[Page]:
    """Read all Markdown files of the project."""
    found = sorted(PROJECT.rglob("*.md"))
    parts = [(path, path.relative_to(PROJECT).parts) for path in found]
    return [
        read(path) for path, names in parts if not any(n.startswith(".") or n in _NOT_OURS for n in names)
    ]


def dev_calls(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of `dev.py` in a shell text or in prose; a variable becomes 1."""
    text = re.sub(r"\\\n\s*", " ", text)
    for line in re.split(r"[\n|;)]|&&|(?:^|\s)#\s", text):
        found = re.search(r"(?:^|[\s`(])dev\.py(?=\s|$)(.*)", line)
        if found is not None:
            yield _words(re.sub(r"\$\w+", "1", found[1]))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quotation mark of the sentence around it
        return text.split()

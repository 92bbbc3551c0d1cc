"""The documents as tests read them: pages with headings, links and blocks, and the commands in them."""

import ast
import importlib.util
import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt
from markdown_it.token import Token

from emulators.framework.checkout import PROJECT

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_OURS = {"node_modules", "out"}


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind the fence, and the text."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A Markdown file.

    Attributes:
        anchors: What can stand behind `#` in a link to it.
        links: Targets of links and images, as they are written.
        code: Texts in backticks within paragraphs.
    """

    path: Path
    anchors: frozenset[str]
    links: tuple[str, ...]
    code: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return self.path.relative_to(PROJECT).as_posix()


def read(path: Path, text: str | None = None) -> Page:
    """A page; `text` in place of what the file has."""
    tokens = _MARKDOWN.parse(path.read_text("utf-8") if text is None else text)
    inline = [child for token in tokens for child in token.children or ()]
    return Page(
        path=path,
        anchors=frozenset(_anchors(tokens)),
        links=tuple(
            str(token.attrs[name]) for token in inline for name in ("href", "src") if name in token.attrs
        ),
        code=tuple(token.content for token in inline if token.type == "code_inline"),
        blocks=tuple(
            Block(path, (token.map or [0])[0] + 1, token.info.strip(), token.content)
            for token in tokens
            if token.type == "fence"
        ),
    )


def pages() -> list[Page]:
    """All Markdown files of the project."""
    found = sorted(PROJECT.rglob("*.md"))
    parts = [(path, path.relative_to(PROJECT).parts) for path in found]
    return [
        read(path) for path, names in parts if not any(n.startswith(".") or n in _NOT_OURS for n in names)
    ]


def _anchors(tokens: list[Token]) -> Iterator[str]:
    # As GitHub makes them: https://docs.github.com/get-started (section links).
    seen: Counter[str] = Counter()
    for opening, token in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            said = "".join(child.content for child in token.children or ())
            name = re.sub(r"[^\w\- ]", "", said.strip().lower()).replace(" ", "-")
            yield f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words of each call of `program` in a shell text, those inside `$(…)` too."""
    text = re.sub(r"\\\n\s*", " ", text)
    while (inner := re.search(r"\$\(([^()]*)\)", text)) is not None:
        yield from commands(inner[1], program)
        text = text.replace(inner[0], "X")
    for line in re.split(r"[\n|;]|&&|(?:^|\s)#\s", text):
        found = re.search(rf"(?:^|[\s$`]){re.escape(program)}(?=\s|$)(.*)", line)
        if found is not None:
            yield _words(found[1])


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # the end of a quotation, in prose
        return text.split()


def dev() -> ModuleType:
    """`dev.py`, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("dev", PROJECT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(module: str) -> set[str]:
    """The options of a command, read from its source: `add_argument`, and what it looks for in `sys.argv`."""
    path = PROJECT.joinpath(*module.split("."))
    source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    found = {"-h", "--help"}
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_argument"), args=arguments):
                found |= {each.value for each in arguments if _is_option(each)}
            case ast.Compare(left=each) if _is_option(each):
                found.add(each.value)
    return found


def _is_option(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith("-")

"""The declarations of Bicep files: parameters, variables, resources, modules and outputs, by name.

tree-sitter parses a file even if it has errors, so `read` looks for errors first. Expressions stay nodes of
the syntax tree; `expressions` evaluates them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import tree_sitter
import tree_sitter_bicep

from emulators.framework.checkout import PROJECT

INFRA: Final = PROJECT / "infra"
_LANGUAGE: Final = tree_sitter.Language(tree_sitter_bicep.language())
_KINDS: Final = {
    "parameter_declaration": "parameters",
    "variable_declaration": "variables",
    "resource_declaration": "resources",
    "module_declaration": "modules",
    "output_declaration": "outputs",
}


class BicepError(ValueError):
    """A file is not Bicep, or uses a part of Bicep that is not implemented; the message says where."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A parameter, variable, resource, module or output.

    Attributes:
        name: The symbolic name.
        kind: The field of `BicepFile` that has it: `parameters`, `resources` and so on.
        path: The file.
        line: The first line.
        label: A resource's `type@version`, a module's path, or the type of a parameter or output.
        existing: Whether it refers to a resource that another deployment created.
        value: The expression after `=`, or None for a parameter without a default.
        decorators: The decorators' calls, by function name.
    """

    name: str
    kind: str
    path: Path
    line: int
    label: str
    existing: bool
    value: tree_sitter.Node | None
    decorators: Mapping[str, tree_sitter.Node]


@dataclass(frozen=True, kw_only=True)
class BicepFile:
    """A file's declarations, by kind and name."""

    path: Path
    parameters: dict[str, Declaration] = field(default_factory=dict)
    variables: dict[str, Declaration] = field(default_factory=dict)
    resources: dict[str, Declaration] = field(default_factory=dict)
    modules: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Declaration] = field(default_factory=dict)


def files() -> list[Path]:
    """Return the Bicep files of `infra/`."""
    return sorted(INFRA.rglob("*.bicep"))


def all_problems() -> list[str]:
    """Return the syntax errors in `infra/`, a sentence each."""
    return [problem for path in files() for problem in problems(path)]


def problems(path: Path) -> list[str]:
    """Return the syntax errors of a file, a sentence each."""
    return [
        f"{_where(path, node)}: not Bicep, at {text_of(node)[:60]!r}"
        for node in _walk(_tree(path).root_node)
        if node.is_error or node.is_missing
    ]


@cache
def read(path: Path) -> BicepFile:
    """Return the declarations of a file.

    Raises:
        BicepError: The file has a syntax error.
    """
    for problem in problems(path):
        raise BicepError(problem)
    file = BicepFile(path=path)
    decorators: dict[str, tree_sitter.Node] = {}
    for node in _tree(path).root_node.named_children:
        if node.type == "decorators":
            calls = [child for each in node.named_children for child in each.named_children]
            decorators = {text_of(call.named_children[0]): call for call in calls}
            continue
        if node.type in _KINDS:
            declaration = _declaration(path, node, decorators)
            getattr(file, declaration.kind)[declaration.name] = declaration
        if node.type != "comment":
            decorators = {}
    return file


def text_of(node: tree_sitter.Node) -> str:
    """Return a node's source."""
    assert node.text is not None
    return node.text.decode()


def _declaration(
    path: Path, node: tree_sitter.Node, decorators: Mapping[str, tree_sitter.Node]
) -> Declaration:
    children = [child for child in node.children if child.type != "comment"]
    equals = next((i for i, child in enumerate(children) if child.type == "="), len(children))
    # After the keyword: the name, and for some kinds a label and `existing`.
    head = children[1:equals]
    label = text_of(head[1]) if len(head) > 1 else ""
    return Declaration(
        name=text_of(head[0]),
        kind=_KINDS[node.type],
        path=path,
        line=node.start_point.row + 1,
        label=label.strip("'"),
        existing=any(child.type == "existing" for child in head),
        value=children[equals + 1] if equals + 1 < len(children) else None,
        decorators=decorators,
    )


@cache
def _tree(path: Path) -> tree_sitter.Tree:
    return tree_sitter.Parser(_LANGUAGE).parse(path.read_bytes())


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _where(path: Path, node: tree_sitter.Node) -> str:
    shown = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    return f"{shown}:{node.start_point.row + 1}"

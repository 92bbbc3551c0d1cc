"""Values that Bicep must know before the deployment starts: names, scopes, conditions and the lists of loops.

There the compiler refuses what only Azure knows (BCP120, BCP178): an output of a module, or a property of a
resource other than its id, name, type and version. This check finds the same in expressions and in the
variables that they use. A parameter is always known.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tree_sitter

from tools.infra_check.expressions import named
from tools.infra_check.syntax import BicepFile, files, read, text_of

_CONSTANT: Final = frozenset({"id", "name", "type", "apiVersion"})
_AT_START: Final = frozenset({"name", "scope", "parent"})


def all_problems() -> list[str]:
    """Return what `infra/` needs too early, a sentence each."""
    return [problem for path in files() for problem in problems(path)]


def problems(path: Path) -> list[str]:
    """Return where a file needs a value before Azure knows it, a sentence each."""
    file = read(path)
    return [
        f"{path.name}:{node.start_point.row + 1}: {text_of(late)} is known only after the deployment"
        for node in _needed(file)
        for late in _late(node, file)
    ]


def _needed(file: BicepFile) -> Iterator[tree_sitter.Node]:
    """Yield the expressions that must be known at the start."""
    for declaration in (*file.resources.values(), *file.modules.values()):
        body = declaration.value
        assert body is not None
        while body.type != "object":
            *_, head, body = named(body)  # a loop's list, or a condition
            yield head
        for child in named(body):
            key, value = named(child)
            if text_of(key) in _AT_START:
                yield value
    for declaration in (*file.variables.values(), *file.resources.values(), *file.outputs.values()):
        assert declaration.value is not None
        for node in _walk(declaration.value):
            if node.type == "for_statement":
                yield named(node)[1]


def _late(node: tree_sitter.Node, file: BicepFile) -> Iterator[tree_sitter.Node]:
    """Yield the parts of an expression that are known too late."""
    for child in _walk(node):
        if child.type == "identifier" and text_of(child) in file.variables:
            value = file.variables[text_of(child)].value
            assert value is not None
            yield from _late(value, file)
        if child.type != "member_expression":
            continue
        base, of = named(child)
        while base.type in {"subscript_expression", "ternary_expression"}:
            # The grammar binds `a ? b : c.d` as `(a ? b : c).d`.
            base = named(base)[0 if base.type == "subscript_expression" else -1]
        if text_of(base) in file.modules or (
            text_of(base) in file.resources and text_of(of) not in _CONSTANT
        ):
            yield child


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.named_children:
        yield from _walk(child)

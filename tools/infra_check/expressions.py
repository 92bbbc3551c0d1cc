"""Evaluation of Bicep expressions, as far as their values are known before a deployment.

A value that only Azure knows (an endpoint, a principal's id) becomes `Unknown`: its source in angle brackets.
It can be part of a string. A condition can't depend on it, as in Bicep itself.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import tree_sitter

from tools.infra_check import functions
from tools.infra_check.syntax import BicepError, text_of

_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\'": "'", "\\\\": "\\", "\\$": "$"}


class Unknown(str):
    """A value that only a deployment knows; the text is its source in angle brackets."""

    __slots__ = ()


class Scope:
    """The names that an expression can use.

    Args:
        resolve: Returns the value of a name that the file declares. A resource or module has `member(name)`.
        context: The values of functions without arguments, such as `subscription()`.
        names: The variables of loops.
    """

    def __init__(
        self,
        resolve: Callable[[str], Any],
        context: Mapping[str, Any],
        names: Mapping[str, Any] | None = None,
    ) -> None:
        self._resolve = resolve
        self._context = context
        self._names = names or {}

    def name(self, name: str) -> Any:
        """Return the value of a name."""
        return self._names[name] if name in self._names else self._resolve(name)

    def inside(self, names: Mapping[str, Any]) -> "Scope":
        """Return the scope of a loop's body."""
        return Scope(self._resolve, self._context, {**self._names, **names})

    def call(self, function: str, arguments: list[Any]) -> Any:
        """Call a function."""
        if function in self._context and not arguments:
            return self._context[function]
        return functions.call(function, arguments, self._context)


def evaluate(node: tree_sitter.Node, scope: Scope) -> Any:
    """Return the value of an expression: a value of JSON, an `Unknown`, a resource or a module.

    Raises:
        BicepError: The expression uses an unknown part of Bicep.
    """
    if node.type not in _KINDS:
        raise BicepError(f"line {node.start_point.row + 1}: {node.type} is not implemented")
    return _KINDS[node.type](node, scope)


def decide(node: tree_sitter.Node, scope: Scope) -> bool:
    """Return whether a condition is true.

    Raises:
        BicepError: Only Azure knows.
    """
    value = evaluate(node, scope)
    if not isinstance(value, bool):
        raise BicepError(
            f"line {node.start_point.row + 1}: {text_of(node)} can't be decided before deployment"
        )
    return value


def repeat(node: tree_sitter.Node, scope: Scope) -> Iterator[tuple[tree_sitter.Node, Scope]]:
    """Yield the body of a `for` once for each item, with the scope of that round."""
    head, items, body = named(node)
    names = [text_of(child) for child in named(head)] or [text_of(head)]
    for index, item in enumerate(evaluate(items, scope)):
        yield body, scope.inside(dict(zip(names, (item, index), strict=False)))


def named(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """Return a node's children without punctuation and comments."""
    return [child for child in node.named_children if child.type not in {"comment", "diagnostic_comment"}]


def _ternary(node: tree_sitter.Node, scope: Scope) -> Any:
    chosen = "consequence" if decide(_field(node, "condition"), scope) else "alternative"
    return evaluate(_field(node, chosen), scope)


def _call(node: tree_sitter.Node, scope: Scope) -> Any:
    arguments = [evaluate(child, scope) for child in named(_field(node, "arguments"))]
    return scope.call(text_of(_field(node, "function")), arguments)


def _access(node: tree_sitter.Node, scope: Scope) -> Any:
    """Evaluate a chain of `value.name` and `value[index]`."""
    links = []
    while node.type in {"member_expression", "subscript_expression"}:
        links.append(node)
        node = _field(node, "object")
    # The grammar binds `a ? b : c.d` as `(a ? b : c).d`; Bicep does not.
    if node.type == "ternary_expression":
        if decide(_field(node, "condition"), scope):
            return evaluate(_field(node, "consequence"), scope)
        node = _field(node, "alternative")
    value = evaluate(node, scope)
    for link in reversed(links):
        if isinstance(value, Unknown):
            return Unknown(f"<{text_of(links[0])}>")
        if link.type == "subscript_expression":
            value = value[evaluate(_field(link, "index"), scope)]
        else:
            name = text_of(_field(link, "property"))
            value = value[name] if isinstance(value, dict) else value.member(name)
    return value


def _binary(node: tree_sitter.Node, scope: Scope) -> Any:
    operator = text_of(_field(node, "operator"))
    left = evaluate(_field(node, "left"), scope)
    if (operator, left) in {("&&", False), ("||", True)}:
        return left
    right = evaluate(_field(node, "right"), scope)
    match operator:
        case "&&" | "||":
            return right
        case "==":
            return left == right
        case "!=":
            return left != right
        case ">":
            return left > right
        case "+":
            return left + right
    raise BicepError(f"line {node.start_point.row + 1}: the operator {operator} is not implemented")


def _properties(node: tree_sitter.Node, scope: Scope) -> Iterator[tuple[str, Any]]:
    for child in named(node):
        key, value = named(child)
        yield (_string(key, scope) if key.type == "string" else text_of(key)), evaluate(value, scope)


def _string(node: tree_sitter.Node, scope: Scope) -> str:
    """From the source itself: the grammar's own pieces leave out what it takes for white space."""
    source = text_of(node).encode()
    if source.startswith(b"'''"):
        return source[3:-3].decode().removeprefix("\n")
    parts: list[str] = []
    at = 1
    for child in node.children:
        if child.type not in {"interpolation", "escape_sequence"}:
            continue
        # The grammar's interpolation includes the white space before it.
        begin = source.index(
            b"$" if child.type == "interpolation" else b"\\", child.start_byte - node.start_byte
        )
        parts.append(source[at:begin].decode())
        if child.type == "interpolation":
            parts.append(_text(evaluate(named(child)[0], scope)))
        else:
            parts.append(_ESCAPES[text_of(child)])
        at = child.end_byte - node.start_byte
    whole = "".join([*parts, source[at:-1].decode()])
    # A string that is only an unknown value is that value.
    return Unknown(whole) if whole[:1] == "<" and whole.find(">") == len(whole) - 1 else whole


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field(node: tree_sitter.Node, name: str) -> tree_sitter.Node:
    child = node.child_by_field_name(name)
    assert child is not None, f"{node.type} without {name}"
    return child


_KINDS: Final[Mapping[str, Callable[[tree_sitter.Node, Scope], Any]]] = {
    "array": lambda node, scope: [evaluate(child, scope) for child in named(node)],
    "binary_expression": _binary,
    "boolean": lambda node, _: text_of(node) == "true",
    "call_expression": _call,
    "for_statement": lambda node, scope: [evaluate(body, inner) for body, inner in repeat(node, scope)],
    "identifier": lambda node, scope: scope.name(text_of(node)),
    "member_expression": _access,
    "null": lambda *_: None,
    "number": lambda node, _: int(text_of(node)),
    "object": lambda node, scope: dict(_properties(node, scope)),
    "parenthesized_expression": lambda node, scope: evaluate(named(node)[0], scope),
    "string": _string,
    "subscript_expression": _access,
    "ternary_expression": _ternary,
    # `!` is the only unary operator in infra/; a number includes its sign.
    "unary_expression": lambda node, scope: not decide(_field(node, "argument"), scope),
}

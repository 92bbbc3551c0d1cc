"""Changes of a JSON Schema that break its users, for the parts of JSON Schema that msgspec generates.

- Keywire writes documents and events: every field of the old schema stays, with a type that the old schema
  allows. A new field breaks nothing.
- Keywire reads interests: a file that the old schema allows stays valid.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

type Direction = Literal["written", "read"]
type Schema = Mapping[str, Any]

# Bounds that make a schema narrower the larger they are, and the smaller they are.
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def incompatibilities(old: Schema, new: Schema, direction: Direction) -> list[str]:
    """Return every change from `old` to `new` that breaks a consumer or an author, with its path."""
    if direction == "written":
        return list(_Comparison(old, new, direction).changes(old, new, "$"))
    return list(_Comparison(new, old, direction).changes(new, old, "$"))


class _Comparison:
    """A comparison of two schemas: `wide` must allow everything that `narrow` allows.

    For what Keywire writes, the new schema must be the narrow one and the old schema the wide one. For what
    it reads, the old one must be narrow and the new one wide.
    """

    def __init__(self, first: Schema, second: Schema, direction: Direction) -> None:
        # Written: first is old = wide. Read: first is new = wide.
        self._wide_root, self._narrow_root = first, second
        self._written = direction == "written"

    def changes(self, wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
        """Yield what `narrow` allows at `path` and `wide` does not."""
        wide, narrow = _resolve(wide, self._wide_root), _resolve(narrow, self._narrow_root)
        alternatives = _alternatives(wide, self._wide_root)
        for option in _alternatives(narrow, self._narrow_root):
            fitting = [other for other in alternatives if _kind(other) == _kind(option)]
            if not fitting:
                fitting = [other for other in alternatives if _covers(_kind(other), _kind(option))]
            if not fitting:
                yield f"{path} may be {_kind(option)}, which {self._other} does not know"
                continue
            yield from min((list(self._same_kind(other, option, path)) for other in fitting), key=len)

    @property
    def _other(self) -> str:
        return "a consumer" if self._written else "the new schema"

    def _same_kind(self, wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
        if "const" in wide or "enum" in wide:
            allowed = set(map(str, wide.get("enum", [wide.get("const")])))
            possible = set(map(str, narrow.get("enum", [narrow.get("const")])))
            if not possible <= allowed:
                yield f"{path} may be {sorted(possible - allowed)}, which {self._other} does not know"
        yield from self._bounds(wide, narrow, path)
        if "properties" in wide or "properties" in narrow:
            yield from self._object(wide, narrow, path)
        if "items" in wide and "items" in narrow and isinstance(wide["items"], Mapping):
            yield from self.changes(wide["items"], narrow["items"], f"{path}[]")

    def _bounds(self, wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
        if self._written:
            return  # new bounds on what Keywire sends break no consumer
        for name in _LOWER_BOUNDS:
            if name in wide and narrow.get(name, float("-inf")) < wide[name]:
                yield f"{path}: {name} is now {wide[name]}"
        for name in _UPPER_BOUNDS:
            if name in wide and narrow.get(name, float("inf")) > wide[name]:
                yield f"{path}: {name} is now {wide[name]}"
        if "pattern" in wide and wide["pattern"] != narrow.get("pattern"):
            yield f"{path}: the pattern changed"

    def _object(self, wide: Schema, narrow: Schema, path: str) -> Iterator[str]:
        ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
        for name in wide.get("required", ()):
            if name not in narrow.get("required", ()):
                yield f"{path}.{name} is {'no longer promised' if self._written else 'now required'}"
        for name, schema in theirs.items():
            if name in ours:
                yield from self.changes(schema, ours[name], f"{path}.{name}")
            elif self._written:
                yield f"{path}.{name} is gone"
        if not self._written:
            yield from (f"{path}.{name} is no longer allowed" for name in ours if name not in theirs)


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _alternatives(schema: Schema, root: Schema) -> list[Schema]:
    return [_resolve(option, root) for option in schema["anyOf"]] if "anyOf" in schema else [schema]


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return type(values[0]).__name__ if values else "any"


def _covers(wide: str, narrow: str) -> bool:
    return wide == "any" or (wide, narrow) == ("number", "integer")

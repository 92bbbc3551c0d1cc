"""HTTP routes: which function a method and a path reach, and with which route parameters.

The template language is ASP.NET's: `{name}`, `{name?}`, `{name=default}`, `{name:constraint}`, `{*rest}` and
`{**rest}`, mixed segments such as `{id}.json`; without regard to case, slashes at the ends ignored. Two
habits of the real host that surprise: it tries routes in the order of the functions' *names*
(`FunctionMetadataManager` sorts, `WebScriptHostHttpRoutesManager` registers), so a function `by_id` on `{id}`
hides a function `ping` on `ping`; and a wrong method is a 404: the method is a constraint of the route.

The constraints in `_CONSTRAINTS` are checked, others (`range(1,5)`, `regex(...)`) accepted and not checked.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from emulators.functions_host.bindings import HttpTrigger
from emulators.functions_host.functions import Function

_CONSTRAINTS: Final = {
    "int": r"[+-]?\d+",
    "long": r"[+-]?\d+",
    "decimal": r"[+-]?\d+(?:\.\d+)?",
    "bool": r"(?:true|false)",
    "alpha": r"[a-z]*",
    "guid": r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?",
}
_PARAMETER: Final = re.compile(
    r"\{(?P<all>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[^{}=?]+)*)(?:=(?P<default>[^}]*))?(?P<optional>\?)?\}"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed route template.

    Attributes:
        pattern: Matches a decoded path without slashes at its ends.
        names: The parameters, one for each group of the pattern.
        defaults: Values of parameters that the path leaves out.
    """

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    defaults: Mapping[str, str]

    def match(self, path: str) -> dict[str, str] | None:
        """The route parameters of a path, or None when it doesn't match."""
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        found = {name: value for name, value in zip(self.names, match.groups(), strict=True) if value}
        return {**self.defaults, **found}


@dataclass(frozen=True, slots=True)
class Match:
    """A function and the route parameters it's called with."""

    function: Function
    trigger: HttpTrigger
    parameters: Mapping[str, str]


def parse(template: str) -> Template:
    """Parse a route template."""
    pattern = ""
    names: list[str] = []
    defaults: dict[str, str] = {}
    for position, segment in enumerate(template.strip("/").split("/")):
        separator = "/" if position else ""
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            pattern += separator + _mixed(segment, names)
            continue
        names.append(parameter["name"])
        if parameter["default"] is not None:
            defaults[parameter["name"]] = parameter["default"]
        if parameter["all"]:
            pattern += f"(?:{separator}(.*))?"
            continue
        checks = [_CONSTRAINTS[name] for name in parameter["constraints"].split(":") if name in _CONSTRAINTS]
        value = "".join(f"(?={check}(?:/|$))" for check in checks) + "([^/]+)"
        may_be_absent = parameter["optional"] or parameter["default"] is not None
        pattern += f"(?:{separator}{value})?" if may_be_absent else separator + value
    return Template(re.compile(pattern, re.IGNORECASE | re.DOTALL), tuple(names), defaults)


def decoded(raw_path: bytes) -> str:
    """The path to match: escapes decoded except those of a slash, no slashes at the ends."""
    path = raw_path.decode("ascii", "replace").strip("/")
    if "%" not in path:
        return path
    return unquote(path.replace("%2F", "%252F").replace("%2f", "%252f"))


class RouteTable:
    """The routes of an app."""

    def __init__(self, functions: Iterable[Function], prefix: str) -> None:
        self._routes: list[tuple[Template, Function, HttpTrigger]] = []
        for function in sorted(functions, key=lambda function: function.name.upper()):
            if isinstance(function.trigger, HttpTrigger):
                route = (function.trigger.route or function.name).strip("/")
                template = parse(f"{prefix}/{route}" if prefix else route)
                self._routes.append((template, function, function.trigger))

    def find(self, method: str, raw_path: bytes) -> Match | None:
        """The function that a request reaches."""
        path = decoded(raw_path)
        for template, function, trigger in self._routes:
            if trigger.methods and method not in trigger.methods:
                continue
            parameters = template.match(path)
            if parameters is not None:
                return Match(function, trigger, parameters)
        return None


def _mixed(segment: str, names: list[str]) -> str:
    """The pattern of a segment that is literal, at least in part."""
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(segment):
        names.append(parameter["name"])
        pattern += re.escape(segment[end : parameter.start()]) + "([^/]+)"
        end = parameter.end()
    return pattern + re.escape(segment[end:])

"""The resources that a deployment of `infra/` creates, each with its type, name, scope and properties.

`deploy` evaluates `main.bicep` and its modules for a set of parameters. A value that only Azure knows is
`Unknown`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tree_sitter

from tools.infra_check import functions
from tools.infra_check.expressions import Scope, Unknown, decide, evaluate, named, repeat
from tools.infra_check.syntax import INFRA, BicepError, BicepFile, Declaration, read

SUBSCRIPTION: Final = "11111111-1111-1111-1111-111111111111"
# Bicep's types and Python's names for them; compared by name, because a bool is an int to isinstance.
_TYPES: Final = {"string": "str", "int": "int", "bool": "bool", "array": "list", "object": "dict"}
_ENVIRONMENT: Final = {
    "resourceManager": "https://management.azure.com/",
    "suffixes": {"storage": "core.windows.net"},
}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that the deployment creates, or an existing one that it refers to.

    Attributes:
        resource_type: `Provider/type/childType`.
        api_version: The version of its API.
        names: The names of its parents, outermost first, then its own.
        home: The id of its resource group or subscription, or of the resource that it extends.
        body: Its evaluated declaration, without `parent`, `scope` and `dependsOn`.
        declaration: Its place in the file.
    """

    resource_type: str
    api_version: str
    names: tuple[str, ...]
    home: str
    body: Mapping[str, Any]
    declaration: Declaration

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.names[-1]

    @property
    def id(self) -> str:
        """The resource id, as Azure forms it."""
        if self.resource_type == "Microsoft.Resources/resourceGroups":
            return f"{self.home}/resourceGroups/{self.name}"
        return functions.resource_id(self.home, self.resource_type, list(self.names))

    @property
    def properties(self) -> Mapping[str, Any]:
        """The `properties` of its body."""
        found: Mapping[str, Any] = self.body.get("properties", {})
        return found

    def member(self, name: str) -> Any:
        """Return the value of `symbol.name`: the id or the name; only Azure knows the others."""
        if name in {"id", "name"}:
            return getattr(self, name)
        return Unknown(f"<{self.declaration.name}.{name}>")


@dataclass(frozen=True, kw_only=True)
class _Module:
    outputs: Mapping[str, Any]

    def member(self, name: str) -> Any:
        return getattr(self, name)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """All resources that are created, and the outputs."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

    def of(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type."""
        return [each for each in self.resources if each.resource_type == resource_type]


def deploy(parameters: Mapping[str, Any], path: Path = INFRA / "main.bicep") -> Deployment:
    """Evaluate a template; parameters that are not given have their defaults.

    Raises:
        BicepError: A parameter is missing, unknown or not allowed, or a file uses an unknown part of Bicep.
    """
    template = _Template(read(path), parameters, f"/subscriptions/{SUBSCRIPTION}")
    outputs = template.outputs()
    return Deployment(resources=tuple(template.created()), outputs=outputs)


class _Template:
    """A file with its parameters and the scope that it is deployed to."""

    def __init__(self, file: BicepFile, parameters: Mapping[str, Any], home: str) -> None:
        self._file = file
        self._home = home
        self._values: dict[str, Any] = {}
        self._modules: dict[str, _Template | None] = {}
        subscription, _, group = home.partition("/resourceGroups/")
        context: dict[str, Any] = {
            "subscription": {
                "id": subscription,
                "subscriptionId": subscription.rpartition("/")[2],
                "tenantId": "22222222-2222-2222-2222-222222222222",
            },
            "resourceGroup": {"id": home, "name": group, "location": "westeurope"},
            "environment": _ENVIRONMENT,
            "directory": file.path.parent,
        }
        self._scope = Scope(self._resolve, context)
        for name in parameters.keys() - file.parameters.keys():
            raise BicepError(f"{file.path.name} has no parameter {name}")
        for name, declaration in file.parameters.items():
            self._values[name] = self._parameter(declaration, parameters)

    def outputs(self) -> dict[str, Any]:
        """Evaluate the outputs."""
        return {name: self._evaluate(output.value) for name, output in self._file.outputs.items()}

    def created(self) -> Iterator[Resource]:
        """Yield the resources of the file and its modules."""
        for name, declaration in self._file.resources.items():
            if not declaration.existing:
                value = self._resolve(name)
                yield from value if isinstance(value, list) else [value] if value is not None else []
        for name in self._file.modules:
            self._resolve(name)
            module = self._modules[name]
            if module is not None:
                yield from module.created()

    def _parameter(self, declaration: Declaration, given: Mapping[str, Any]) -> Any:
        where = f"{declaration.path.name}: parameter {declaration.name}"
        value: Any
        if declaration.name in given:
            value = given[declaration.name]
        elif declaration.value is not None:
            value = self._evaluate(declaration.value)
        else:
            raise BicepError(f"{where} is missing")
        if not (isinstance(value, Unknown) or type(value).__name__ == _TYPES[declaration.label]):
            raise BicepError(f"{where} is not of type {declaration.label}: {value!r}")
        limits = {
            name: self._evaluate(call.named_children[1].named_children[0])
            for name, call in declaration.decorators.items()
            if name not in {"description", "secure"}
        }
        checks: Mapping[str, Callable[[Any], bool]] = {
            "allowed": lambda limit: value in limit,
            "minValue": lambda limit: value >= limit,
            "maxValue": lambda limit: value <= limit,
            "minLength": lambda limit: len(value) >= limit,
            "maxLength": lambda limit: len(value) <= limit,
        }
        for name, limit in limits.items():
            if not checks[name](limit):
                raise BicepError(f"{where} violates @{name}: {value!r}")
        return value

    def _resolve(self, name: str) -> Any:
        if name not in self._values:
            file = self._file
            if name in file.variables:
                self._values[name] = self._evaluate(file.variables[name].value)
            elif name in file.resources:
                self._values[name] = self._resources(file.resources[name])
            elif name in file.modules:
                self._values[name] = self._module(file.modules[name])
            else:
                raise BicepError(f"{file.path.name}: {name} is not declared")
        return self._values[name]

    def _evaluate(self, node: tree_sitter.Node | None) -> Any:
        assert node is not None
        return evaluate(node, self._scope)

    def _resources(self, declaration: Declaration) -> Any:
        """Return one resource, a list for a loop, or None if the condition is false."""
        value = declaration.value
        assert value is not None
        if value.type == "for_statement":
            each = [self._resource(declaration, body, scope) for body, scope in repeat(value, self._scope)]
            return [resource for resource in each if resource is not None]
        return self._resource(declaration, value, self._scope)

    def _resource(self, declaration: Declaration, node: tree_sitter.Node, scope: Scope) -> Resource | None:
        node_or_none = _unless_false(node, scope)
        if node_or_none is None:
            return None
        body = evaluate(node_or_none, scope)
        parent, extended = body.pop("parent", None), body.pop("scope", None)
        body.pop("dependsOn", None)
        resource_type, _, api_version = declaration.label.partition("@")
        names = (*(parent.names if parent else ()), body["name"])
        home = parent.home if parent else extended.id if extended else self._home
        return Resource(
            resource_type=resource_type,
            api_version=api_version,
            names=names,
            home=home,
            body=body,
            declaration=declaration,
        )

    def _module(self, declaration: Declaration) -> _Module:
        """Return a module's outputs; all are `Unknown` if its condition is false."""
        assert declaration.value is not None
        node = _unless_false(declaration.value, self._scope)
        file = read((declaration.path.parent / declaration.label).resolve())
        if node is None:
            self._modules[declaration.name] = None
            return _Module(outputs={name: Unknown(f"<{declaration.name}.{name}>") for name in file.outputs})
        body = self._evaluate(node)
        scope = body.get("scope")
        home = self._home if scope is None else scope["id"] if isinstance(scope, dict) else scope.id
        template = _Template(file, body.get("params", {}), home)
        self._modules[declaration.name] = template
        return _Module(outputs=template.outputs())


def _unless_false(node: tree_sitter.Node, scope: Scope) -> tree_sitter.Node | None:
    """Return the body of a resource or module, or None if its condition is false."""
    if node.type != "if_statement":
        return node
    condition, body = named(node)
    return body if decide(condition, scope) else None

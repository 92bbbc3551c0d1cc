"""The Bicep functions that `infra/` uses. Hashes differ from Azure's and have the same length."""

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tools.infra_check.syntax import BicepError

# The length of Azure's uniqueString, which has lower-case letters and digits.
UNIQUE_LENGTH: Final = 13


def call(name: str, arguments: list[Any], context: Mapping[str, Any]) -> Any:
    """Call a function.

    Raises:
        BicepError: The function is not implemented.
    """
    if name in {"resourceId", "subscriptionResourceId"}:
        home = context["resourceGroup" if name == "resourceId" else "subscription"]
        return resource_id(home["id"], arguments[0], arguments[1:])
    if name == "resourceGroup":
        subscription, group = arguments
        return {"id": f"/subscriptions/{subscription}/resourceGroups/{group}", "name": group}
    if name == "loadTextContent":
        return (Path(context["directory"]) / arguments[0]).read_text()
    if name not in _PURE:
        raise BicepError(f"the function {name} is not implemented")
    return _PURE[name](*arguments)


def resource_id(home: str, resource_type: str, names: list[str]) -> str:
    """Return the id of a resource below `home`; each type of `Provider/type/childType` has its name."""
    provider, *types = resource_type.split("/")
    path = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
    return f"{home}/providers/{provider}/{path}"


def _unique_string(*texts: str) -> str:
    digest = hashlib.sha256("|".join(texts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:UNIQUE_LENGTH]


def _guid(*texts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(texts)))


def _union(*values: Any) -> Any:
    if isinstance(values[0], dict):
        return {key: item for value in values for key, item in value.items()}
    return list(dict.fromkeys(item for value in values for item in value))


def _items(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value[key]} for key in sorted(value)]


_PURE: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": lambda *values: [item for value in values for item in value],
    "contains": lambda value, item: item in value,
    "empty": lambda value: not value,
    "guid": _guid,
    "items": _items,
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, separator: text.split(separator),
    "toLower": lambda text: text.lower() if type(text) is str else text,
    "trim": lambda text: text.strip(),
    "union": _union,
    "uniqueString": _unique_string,
}

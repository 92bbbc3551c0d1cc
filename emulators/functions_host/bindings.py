"""The bindings of a function, typed: what the worker says in JSON, in the words this host acts on.

Separate so that nothing else reads raw binding dictionaries. `%NAME%` in a text is replaced by the app
setting NAME, as the real host does; binding expressions in braces (`{id}`) are not resolved. A binding that
this host can't serve is kept as `UnsupportedBinding`: indexing accepts it, running it does not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from emulators.functions_host.errors import MissingSettingError

DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"
DEFAULT_CONSUMER_GROUP: Final = "$Default"

_SETTING = re.compile(r"%([^%]+)%")


class AuthLevel(IntEnum):
    """Which key an HTTP function asks for; a higher level opens the lower ones."""

    ANONYMOUS = 0
    FUNCTION = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """An HTTP route.

    Attributes:
        parameter: The Python parameter.
        route: The template after the route prefix; empty means the function's name.
        methods: Upper case; empty means every method.
        auth_level: The key that a caller needs.
    """

    parameter: str
    route: str
    methods: frozenset[str]
    auth_level: AuthLevel
    type: str = "httpTrigger"


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A queue to listen to; `binary` when the parameter asks for bytes."""

    parameter: str
    queue: str
    connection: str
    binary: bool = False
    type: str = "queueTrigger"


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A schedule (NCRONTAB)."""

    parameter: str
    schedule: str
    run_on_startup: bool = False
    use_monitor: bool = True
    type: str = "timerTrigger"


@dataclass(frozen=True, slots=True)
class EventHubTrigger:
    """An Event Hub to listen to.

    Attributes:
        parameter: The Python parameter.
        hub: The Event Hub.
        connection: The app settings that say where it is.
        consumer_group: As which the function reads it.
        many: Whether the function takes a batch, or one event at a time.
        binary: Whether the parameter asks for bytes.
    """

    parameter: str
    hub: str
    connection: str
    consumer_group: str = DEFAULT_CONSUMER_GROUP
    many: bool = False
    binary: bool = False
    type: str = "eventHubTrigger"


@dataclass(frozen=True, slots=True)
class HttpOutput:
    """The HTTP response; `$return` unless it's an `Out` parameter."""

    parameter: str


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """A queue that gets what the function returns or sets."""

    parameter: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class UnsupportedBinding:
    """A binding that this host doesn't serve (blob, Cosmos DB, ...)."""

    parameter: str
    type: str


type Trigger = HttpTrigger | QueueTrigger | TimerTrigger | EventHubTrigger | UnsupportedBinding
type Output = HttpOutput | QueueOutput | UnsupportedBinding


def trigger(raw: Mapping[str, Any], settings: Mapping[str, str]) -> Trigger:
    """The typed form of a trigger binding."""
    parameter = str(raw["name"])
    match raw["type"]:
        case "httpTrigger":
            return HttpTrigger(
                parameter=parameter,
                route=_resolved(raw.get("route") or "", settings),
                methods=frozenset(str(method).upper() for method in raw.get("methods") or ()),
                auth_level=AuthLevel[str(raw.get("authLevel") or "FUNCTION").upper()],
            )
        case "queueTrigger":
            return QueueTrigger(
                parameter=parameter,
                queue=_queue_name(raw, settings),
                connection=_connection(raw, settings),
                binary=_is_binary(raw),
            )
        case "eventHubTrigger":
            return EventHubTrigger(
                parameter=parameter,
                hub=_resolved(raw["eventHubName"], settings),
                connection=_connection(raw, settings),
                consumer_group=_resolved(raw.get("consumerGroup") or DEFAULT_CONSUMER_GROUP, settings),
                many=str(raw.get("cardinality", "")).upper() == "MANY",
                binary=_is_binary(raw),
            )
        case "timerTrigger":
            return TimerTrigger(
                parameter=parameter,
                schedule=_resolved(raw["schedule"], settings),
                run_on_startup=bool(raw.get("runOnStartup")),
                use_monitor=raw.get("useMonitor") is not False,
            )
        case kind:
            return UnsupportedBinding(parameter, str(kind))


def output(raw: Mapping[str, Any], settings: Mapping[str, str]) -> Output:
    """The typed form of an output binding (and of an input binding: none is supported)."""
    parameter = str(raw["name"])
    if raw["type"] == "http":
        return HttpOutput(parameter)
    if raw["type"] == "queue" and str(raw.get("direction", "OUT")).upper() == "OUT":
        return QueueOutput(parameter, _queue_name(raw, settings), _connection(raw, settings))
    return UnsupportedBinding(parameter, str(raw["type"]))


def _queue_name(raw: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    return _resolved(
        raw["queueName"], settings
    ).lower()  # the extension lowers it: queue names have no capitals


def _is_binary(raw: Mapping[str, Any]) -> bool:
    return str(raw.get("dataType", "")).upper() == "BINARY"


def _connection(raw: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    return _resolved(raw.get("connection") or DEFAULT_CONNECTION, settings)


def _resolved(text: str, settings: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        try:
            return settings[match[1]]
        except KeyError:
            raise MissingSettingError(
                f"{text!r} needs the app setting {match[1]}, which is missing"
            ) from None

    return _SETTING.sub(value, text)

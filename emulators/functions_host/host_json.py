"""The settings of `host.json` that this host obeys, typed, with the real host's defaults.

Separate because it's the one place that knows the file's spelling. Names are compared without case, as .NET
configuration does; a value that the real host refuses at start is refused here too. Sections that this
host has no use for (`logging`, `extensionBundle`, ...) are ignored.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

from emulators.functions_host.errors import InvalidHostJsonError

MAX_BATCH_SIZE: Final = 32  # what the queue service gives out at once
MIN_POLLING_INTERVAL: Final = timedelta(milliseconds=100)

_TIME_SPAN = re.compile(r"(-)?(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")

type MessageEncoding = Literal["base64", "none"]


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`extensions.queues` of the Storage Queues extension 5.x."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta()
    max_polling_interval: timedelta = timedelta(minutes=1)
    message_encoding: MessageEncoding = "base64"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`host.json`.

    Attributes:
        route_prefix: Before every HTTP route, without slashes at its ends; may be empty.
        function_timeout: How long a run may take (Flex Consumption's default), or None for any time.
    """

    route_prefix: str = "api"
    queues: QueueSettings = field(default_factory=QueueSettings)
    function_timeout: timedelta | None = timedelta(minutes=30)


def read(app: Path) -> HostSettings:
    """Read `host.json` in the folder `app`; without the file everything has its default."""
    path = app / "host.json"
    return parse(path.read_text("utf-8-sig")) if path.exists() else HostSettings()


def parse(text: str) -> HostSettings:
    """Parse the file's text.

    Raises:
        InvalidHostJsonError: It isn't JSON of version 2.0, or a value is out of its range.
    """
    try:
        root = _Section("", json.loads(text))
    except ValueError as error:
        raise InvalidHostJsonError(f"host.json is not valid JSON: {error}") from error
    if root.get("version") != "2.0":
        raise InvalidHostJsonError('host.json must have "version": "2.0"')
    extensions = root.section("extensions")
    timeout = root.get("functionTimeout")
    return HostSettings(
        route_prefix=str(extensions.section("http").get("routePrefix", "api")).strip("/"),
        queues=_queues(extensions.section("queues")),
        function_timeout=None
        if timeout == "-1"
        else root.time_span("functionTimeout", timedelta(minutes=30)),
    )


def time_span(text: str) -> timedelta:
    """Parse a .NET TimeSpan, `[-][d.]hh:mm[:ss[.fffffff]]`; a ValueError says that it isn't one."""
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time span like 00:00:02")
    sign, days, hours, minutes, seconds, fraction = match.groups()
    span = timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=float(f"{seconds or 0}.{fraction or 0}"),
    )
    return -span if sign else span


def _queues(section: "_Section") -> QueueSettings:
    batch_size = section.integer("batchSize", 16, minimum=1, maximum=MAX_BATCH_SIZE)
    encoding = str(section.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise InvalidHostJsonError(f"{section.path}messageEncoding must be base64 or none, not {encoding}")
    return QueueSettings(
        batch_size=batch_size,
        # Half a batch for every core on the plans that own their machine; half a batch on Flex Consumption.
        new_batch_threshold=section.integer("newBatchThreshold", batch_size // 2, minimum=0),
        max_dequeue_count=section.integer("maxDequeueCount", 5, minimum=1),
        visibility_timeout=section.time_span("visibilityTimeout", timedelta()),
        max_polling_interval=section.time_span(
            "maxPollingInterval", timedelta(minutes=1), minimum=MIN_POLLING_INTERVAL
        ),
        message_encoding="none" if encoding == "none" else "base64",
    )


class _Section:
    """An object of the file, with the path that an error message names."""

    def __init__(self, path: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise InvalidHostJsonError(f"{path or 'host.json'} must be an object")
        self.path = f"{path}." if path else ""
        self._values = {str(name).lower(): item for name, item in value.items()}

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name.lower(), default)

    def section(self, name: str) -> "_Section":
        return _Section(f"{self.path}{name}", self.get(name, {}))

    def integer(self, name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise InvalidHostJsonError(f"{self.path}{name} must be a whole number of at least {minimum}")
        if maximum is not None and value > maximum:
            raise InvalidHostJsonError(f"{self.path}{name} must be at most {maximum}")
        return value

    def time_span(self, name: str, default: timedelta, *, minimum: timedelta = timedelta()) -> timedelta:
        value = self.get(name)
        if value is None:
            return default
        try:
            span = time_span(value if isinstance(value, str) else json.dumps(value))
        except ValueError as error:
            raise InvalidHostJsonError(f"{self.path}{name}: {error}") from error
        if span < minimum:
            raise InvalidHostJsonError(f"{self.path}{name} must be at least {minimum}")
        return span

"""Reading CloudEvents 1.0 out of a request: structured mode, one event or a batch.

Separate from publishing, because this is the specification's and not Event Grid's, apart from the limits
on size. All that is wrong with an event is said at once.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from emulators.event_grid.errors import TopicError
from emulators.framework.exact_json import JsonObject, decode

BATCH: Final = "application/cloudevents-batch+json"
SINGLE: Final = "application/cloudevents+json"
# Of a whole request, and so of a single event too: it is never more than its request.
MAX_BYTES: Final = 1024 * 1024

_REQUIRED: Final = ("id", "source", "specversion", "type")
_TEXTS: Final = (*_REQUIRED, "subject", "time", "datacontenttype", "dataschema")
# CloudEvents 1.0, "Naming conventions"; data and data_base64 are members of the JSON format, no attributes.
_NAME: Final = re.compile(r"[a-z0-9]+")
_MEMBERS: Final = ("data", "data_base64")


def read(content_type: str, body: bytes) -> list[JsonObject]:
    """The events in a request; TopicError where they can't be taken, all or nothing."""
    if len(body) > MAX_BYTES:
        raise TopicError(413, f"The request has {len(body)} bytes: {MAX_BYTES} are the most.")
    kind = content_type.partition(";")[0].strip().casefold()
    if kind not in (BATCH, SINGLE):
        raise TopicError(400, f"The content type must be {BATCH} or {SINGLE}, not '{content_type}'.")
    try:
        value = decode(body)
    except ValueError as error:
        raise TopicError(400, f"The body is no JSON: {error}.") from error
    events = value if kind == BATCH else [value]
    if not isinstance(events, list):
        raise TopicError(400, f"The body of {BATCH} must be an array.")
    if wrong := [f"event {at}: {what}" for at, event in enumerate(events) for what in _wrong_with(event)]:
        raise TopicError(400, f"These are no CloudEvents 1.0: {'; '.join(wrong)}.")
    return events


def _wrong_with(event: Any) -> Iterator[str]:
    if not isinstance(event, dict):
        yield "it is no object"
        return
    yield from (f"{name} is missing" for name in _REQUIRED if event.get(name) in (None, ""))
    yield from (f"{name} is no string" for name in _TEXTS if not isinstance(event.get(name), str | None))
    if event.get("specversion") not in (None, "", "1.0"):
        yield "specversion is not 1.0"
    if all(member in event for member in _MEMBERS):
        yield "it has data and data_base64"
    yield from _wrong_attributes({name: event[name] for name in event if name not in _MEMBERS})


def _wrong_attributes(attributes: JsonObject) -> Iterator[str]:
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            yield f"the attribute '{name}' has other characters than a-z and 0-9"
        if isinstance(value, dict | list):
            yield f"the attribute '{name}' is no simple value"

"""Queue messages without the queue: their encoding, their trigger data, and what becomes of them.

Pure, so that the rules of the Storage Queues extension 5.x (`QueueProcessor`, `QueueListener`) can be read
and tested without a service.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from emulators.functions_host import datums
from emulators.functions_host.datums import Datum
from emulators.functions_host.host_json import MessageEncoding, QueueSettings

POISON_SUFFIX: Final = "-poison"
_MAX_QUEUE_NAME: Final = 63
_NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Fate(Enum):
    """What to do with a message."""

    RUN = "run the function with it"
    DELETE = "delete it"
    RELEASE = "make it visible again after the visibility timeout"
    POISON = "copy it to the poison queue and delete it"
    LEAVE = "leave it to its lock: there is no poison queue for it"


class UndecodableMessageError(ValueError):
    """The message isn't base64 although host.json says so."""


def poison_queue(queue: str) -> str | None:
    """The name of a queue's poison queue; None for a poison queue and for names that would get too long."""
    name = queue + POISON_SUFFIX
    return None if queue.endswith(POISON_SUFFIX) or len(name) > _MAX_QUEUE_NAME else name


def before_run(dequeue_count: int, settings: QueueSettings, *, has_poison_queue: bool) -> Fate:
    """Decide on a message just taken: one whose last run never ended (a killed process) doesn't run again."""
    if dequeue_count <= settings.max_dequeue_count:
        return Fate.RUN
    return Fate.POISON if has_poison_queue else Fate.LEAVE


def after_run(dequeue_count: int, settings: QueueSettings, *, ok: bool, has_poison_queue: bool) -> Fate:
    """Decide on a message whose run ended."""
    if ok:
        return Fate.DELETE
    if not has_poison_queue:
        return Fate.LEAVE  # not released: the extension prevents an endless quick loop so
    return Fate.POISON if dequeue_count >= settings.max_dequeue_count else Fate.RELEASE


def decode(content: str, encoding: MessageEncoding) -> bytes:
    """The body of a message as it lies in the queue.

    Raises:
        UndecodableMessageError: It isn't base64; the extension moves it to the poison queue at once.
    """
    if encoding == "none":
        return content.encode()
    try:
        # .NET ignores white space in base64 and nothing else.
        return base64.b64decode("".join(content.split()), validate=True)
    except ValueError as error:  # and not only binascii.Error: other letters than ASCII's are none
        raise UndecodableMessageError(str(error)) from error


def encode(body: str | bytes, encoding: MessageEncoding) -> str:
    """The text to put into the queue for a body."""
    data = body.encode() if isinstance(body, str) else body
    return data.decode() if encoding == "none" else base64.b64encode(data).decode()


def trigger_data(body: bytes, *, binary: bool) -> Datum:
    """The trigger's input: text, or bytes where the binding asks for them."""
    return datums.octets(body) if binary else datums.string(body.decode(errors="replace"))


def trigger_metadata(
    *,
    message_id: str = "",
    dequeue_count: int = 0,
    inserted_on: datetime | None = None,
    expires_on: datetime | None = None,
    next_visible_on: datetime | None = None,
    pop_receipt: str = "",
) -> Mapping[str, Datum]:
    """What `func.QueueMessage` shows besides the body; the defaults are those of a run by `/admin`."""
    return {
        "Id": datums.string(message_id),
        "DequeueCount": datums.json_text(json.dumps(dequeue_count)),
        "InsertionTime": _time(inserted_on or datetime.now(UTC)),
        "ExpirationTime": _time(expires_on or _NEVER),
        "NextVisibleTime": _time(next_visible_on or _NEVER),
        "PopReceipt": datums.string(pop_receipt),
    }


def output_bodies(value: Datum) -> list[str | bytes]:
    """The messages that a queue output binding writes: one for each item of a list.

    Objects become indented JSON texts, also `func.QueueMessage`, which the worker turns into an object.
    """
    if value.type != "json":
        return [value.value]
    content = json.loads(value.value)
    items = content if isinstance(content, list) else [content]
    return [item if isinstance(item, str) else json.dumps(item, indent=2) for item in items]


def _time(moment: datetime) -> Datum:
    return datums.json_text(json.dumps(moment.astimezone(UTC).isoformat()))

"""Poison messages: what failed for good, in a form that a person can read and a replay can use.

The host's own poison messages hold the original message only and expire after seven days. So Keywire writes them
itself whenever it still runs, in one form on every poison queue.
"""

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.decoding import DECODE_ERRORS
from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

MAX_TRIES: Final = 5  # host.json's maxDequeueCount; a test compares them
# A queue message is at most 64 KiB of base64, which is 48 KiB of JSON. An unreadable message of this size takes 43 KiB
# of it in base64, and a reason whose characters JSON escapes 5 KiB.
MAX_BODY: Final = 32 * 1024
MAX_REASON: Final = 800


class PoisonMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A message that failed for good.

    Attributes:
        reason: Why, in a sentence.
        poisoned_at: When (UTC).
        tries: How often the queue delivered it.
        job: The message as JSON, with its attempts and its last error, if it could be read.
        message: Otherwise the message in base64; the reason says if it was truncated.
    """

    reason: str
    poisoned_at: datetime
    tries: int
    job: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    message: str | None = None


class PoisonQueue:
    """Sends messages to one poison queue.

    Args:
        queue: A client that encodes its messages with base64.
    """

    def __init__(self, queue: "QueueClient") -> None:
        self._queue = queue

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.queue_name

    async def send(self, message: PoisonMessage) -> None:
        """Keep a message until an operator replays or deletes it.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send_message(encode(message), time_to_live=KEEP_FOREVER)


def from_message(text: str, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """Return the poison message for a message that was read: `text` is its JSON."""
    return PoisonMessage(
        reason=_truncated(reason), poisoned_at=now, tries=tries, job=msgspec.Raw(text.encode())
    )


def from_body(body: bytes, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """Return the poison message for an unreadable message, truncated to the queue's size limit."""
    reason = _truncated(reason)
    if len(body) > MAX_BODY:
        reason = f"{reason} (the first {MAX_BODY} of {len(body)} bytes)"
    return PoisonMessage(
        reason=reason, poisoned_at=now, tries=tries, message=base64.b64encode(body[:MAX_BODY]).decode()
    )


def encode(message: PoisonMessage) -> str:
    """Return the text of a queue message."""
    return msgspec.json.encode(message).decode()


_DECODER: Final = msgspec.json.Decoder(PoisonMessage)


def original(content: str) -> bytes:
    """Return the message that failed, from the content of a message on a poison queue.

    Args:
        content: The content, from Keywire, from the host or from an operator.
    """
    try:
        body = from_base64(content)
    except ValueError:
        return content.encode()
    try:
        poisoned = _DECODER.decode(body)
        return bytes(poisoned.job) if poisoned.job else from_base64(poisoned.message or "")
    except (*DECODE_ERRORS, ValueError):
        return body


def from_base64(content: str) -> bytes:
    """Return a message's bytes from its content on the queue, as leniently as the host reads it.

    Raises:
        ValueError: The content is not base64.
    """
    return base64.b64decode("".join(content.split()), validate=True)


def _truncated(reason: str) -> str:
    # An exception's text may hold a lone surrogate, which cannot be encoded.
    return reason[:MAX_REASON].encode("utf-8", "replace").decode()

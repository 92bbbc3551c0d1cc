"""Poison: what was given up, as a message that a person can read and that a replay can use.

The host's own poison messages say nothing but the message itself and expire after seven days; so Keywire
writes them itself, whenever it is still running to do so, on every poison queue in this one form.
"""

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from keywire.decoding import DECODE_ERRORS
from keywire.jobs import job as jobs
from keywire.jobs.job import ExtractionJob
from keywire.storage.layout import KEEP_FOREVER

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

MAX_TRIES: Final = 5  # host.json's maxDequeueCount; a test compares them
# A queue message is at most 64 KiB, in base64: 48 KiB of JSON. This body takes 43 of them in base64, and a
# reason of characters that JSON escapes 5; a job of `jobs.MAX_BYTES` takes less.
MAX_BODY: Final = 32 * 1024
MAX_REASON: Final = 800


class PoisonMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Something that was given up.

    Attributes:
        reason: Why, in a sentence.
        poisoned_at: When (UTC).
        tries: How often the queue gave it out.
        job: The job, with its attempts and its last error, where it could be read.
        message: Otherwise the message as it came, in base64; where a long one is cut, the reason says so.
    """

    reason: str
    poisoned_at: datetime
    tries: int
    job: ExtractionJob | None = None
    message: str | None = None


class _Fields(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is written of a poison message: the job is JSON, so that no field of it is lost."""

    reason: str
    poisoned_at: datetime
    tries: int
    job: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    message: str | None = None


class PoisonQueue:
    """Takes what was given up.

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
        """Keep a message until somebody takes it.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take it.
        """
        await self._queue.send_message(encode(message), time_to_live=KEEP_FOREVER)


def from_job(job: ExtractionJob, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """A job that was given up."""
    return PoisonMessage(reason=_cut(reason), poisoned_at=now, tries=tries, job=job)


def from_body(body: bytes, reason: str, *, now: datetime, tries: int) -> PoisonMessage:
    """A message that could not be read or done, of as much as a queue takes."""
    reason = _cut(reason)
    if len(body) > MAX_BODY:
        reason = f"{reason} (the first {MAX_BODY} of {len(body)} bytes)"
    return PoisonMessage(
        reason=reason, poisoned_at=now, tries=tries, message=base64.b64encode(body[:MAX_BODY]).decode()
    )


def _cut(reason: str) -> str:
    # Half a character, which a text of an exception may hold, can't be written.
    return reason[:MAX_REASON].encode("utf-8", "replace").decode()


def encode(message: PoisonMessage) -> str:
    """The text of a queue message."""
    job = msgspec.UNSET if message.job is None else msgspec.Raw(jobs.encode(message.job).encode())
    fields = _Fields(
        reason=message.reason,
        poisoned_at=message.poisoned_at,
        tries=message.tries,
        job=job,
        message=message.message,
    )
    return msgspec.json.encode(fields).decode()


_DECODER: Final = msgspec.json.Decoder(_Fields)


def original(content: str) -> bytes:
    """The message that was given up, from what lies on a poison queue.

    Args:
        content: As it lies there, whoever put it there: Keywire, the host, or somebody by hand.
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
    """A message's bytes, from the text on the queue; the host reads it as leniently.

    Raises:
        ValueError: It is not base64.
    """
    return base64.b64decode("".join(content.split()), validate=True)

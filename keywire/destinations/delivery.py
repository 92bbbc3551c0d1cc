"""Delivery to a remote destination: one message per edition on a queue of its own.

The message names the edition's event list; the list is read when it is delivered. So a remote destination that is
unavailable delays only itself, and an edition of any size is one small message.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Protocol

import msgspec

from keywire.decoding import DECODE_ERRORS, Moment, describe, message_version
from keywire.destinations.event_batch import EventBatch
from keywire.destinations.storage_queue import count_events
from keywire.ids import VideoId
from keywire.jobs.message import MESSAGE_VERSION, Deferrable, InvalidMessageError, NewerMessageError, begun_at
from keywire.jobs.queue import MessageQueue
from keywire.telemetry import tracing

# A file name in a video's history, never a path.
FileName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,128}\Z")]


class DeliveryMessage(Deferrable, frozen=True, kw_only=True, rename="camel"):
    """An edition to deliver.

    Attributes:
        video_id: The video.
        version: The document's version.
        edition: The edition's number.
        list: The file in the video's history with its events.
        sent_at: When the outbox sent the message (UTC).
        traceparent: W3C trace context of the edition.
        message_version: The version of this message.
    """

    video_id: VideoId
    version: int
    edition: int
    list: FileName
    sent_at: Moment
    traceparent: str | None = None
    message_version: Literal[1] = MESSAGE_VERSION


class RemoteDestination(Protocol):
    """A destination that is not a Storage queue."""

    async def publish(self, events: tuple[bytes, ...]) -> None:
        """Publish events in their order; to publish them again is harmless to consumers.

        Raises:
            azure.core.exceptions.AzureError: The destination did not take all of them.
            VideoIndexerError: The same, classified (misconfigured, throttled, unusable).
        """


class DeliveryQueue:
    """The queue of a remote destination, as the outbox uses it.

    Args:
        queue: The queue.
        clock: The time now (UTC).
    """

    def __init__(
        self, queue: MessageQueue, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._queue = queue
        self._clock = clock

    async def send(self, batch: EventBatch) -> None:
        """Queue the delivery of an edition.

        Raises:
            azure.core.exceptions.AzureError: Storage did not take the message.
        """
        message = DeliveryMessage(
            video_id=batch.video_id,
            version=batch.version,
            edition=batch.edition,
            list=batch.list,
            sent_at=self._clock(),
            traceparent=batch.traceparent,
        )
        await self._queue.send(encode(message))


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Delivers editions to one remote destination.

    Attributes:
        name: The destination's name in metrics.
        read_events: Returns the events of a list in a video's history; none if it was pruned or erased.
        destination: Where they go.
    """

    name: str
    read_events: Callable[[str, str], Awaitable[tuple[bytes, ...]]]
    destination: RemoteDestination

    async def deliver(self, message: DeliveryMessage) -> None:
        """Deliver one edition.

        Raises:
            azure.core.exceptions.AzureError: Storage or the destination failed; it can be delivered again.
        """
        events = await self.read_events(message.video_id, message.list)
        if not events:
            return
        with tracing.span(f"publish {self.name}", kind="producer"):
            await self.destination.publish(events)
        count_events(events, self.name)


_DECODER: Final = msgspec.json.Decoder(DeliveryMessage)


def encode(message: DeliveryMessage) -> str:
    """Return the text of a queue message."""
    return msgspec.json.encode(message).decode()


def decode(body: bytes) -> DeliveryMessage:
    """Read a queue message.

    Raises:
        NewerMessageError: It is a delivery of a newer version.
        InvalidMessageError: It is not a delivery.
    """
    try:
        if message_version(body) > MESSAGE_VERSION:
            raise NewerMessageError("a delivery of a version that is newer than this app", begun_at(body))
        return _DECODER.decode(body)
    except DECODE_ERRORS as error:
        raise InvalidMessageError(f"not a delivery: {describe(error)}") from None

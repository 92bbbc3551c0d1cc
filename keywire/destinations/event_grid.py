"""An Event Grid custom topic: it gets the JSON value that is stored, but not the same bytes.

The SDK takes no bytes. It serializes the JSON again, escapes every character that is not ASCII, and changes what it
interprets (times, trace context). So this module passes events in a form in which the SDK interprets nothing.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestTimeoutError
from azure.core.messaging import CloudEvent

from keywire.video_indexer.errors import (
    MAX_RETRY_AFTER_SECONDS,
    MisconfiguredError,
    ThrottledError,
    UnusableError,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest
    from azure.eventgrid.aio import EventGridPublisherClient

# For one request with its retries: the SDK waits as long as a Retry-After header says, whatever its options are.
PATIENCE_SECONDS: Final = 30.0
# The service takes 1 MB in a request; its documentation does not say which kind of megabyte.
MAX_BODY_BYTES: Final = 1_000_000

_CLIENT_OPTIONS: Final[dict[str, Any]] = {
    # Three retries after about 0, 2 and 4 seconds, for 500, 503 and 504 only: the SDK retries no other answer to
    # a POST. The worker defers the delivery after that.
    "retry_total": 3,
    "retry_backoff_factor": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # As for storage: a function app has no proxy and no netrc, and looking for them takes time.
    "use_env_settings": False,
}


class EventGridTopic:
    """A custom topic with the CloudEvents 1.0 input schema.

    Args:
        client: The client that `connect` returns.
        patience_seconds: How long one request with its retries may take.
    """

    def __init__(
        self, client: "EventGridPublisherClient", *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._client = client
        self._patience = patience_seconds

    async def publish(self, events: Sequence[bytes]) -> None:
        """Publish events in their order, in as few requests as their size allows.

        Raises:
            MisconfiguredError: The app may not publish to the topic, or the topic does not exist.
            ThrottledError: The topic takes nothing for a while.
            UnusableError: The topic refuses an event.
            azure.core.exceptions.AzureError: The request failed otherwise; events before it were taken.
        """
        for batch in _batches(events):
            try:
                async with asyncio.timeout(self._patience):
                    await self._client.send(batch)
            except TimeoutError as error:
                raise ServiceRequestTimeoutError("Event Grid took too long") from error
            except HttpResponseError as error:
                raise _classified(error) from error


def _classified(error: HttpResponseError) -> Exception:
    """Return the error that says what to do."""
    # For a 404 the SDK raises an error of its own, without the status.
    status = 404 if isinstance(error, ResourceNotFoundError) else error.status_code or 0
    said = f"Event Grid answered with {status}"
    if status in {401, 403}:
        return MisconfiguredError(
            f"{said}: this app may not publish to the topic. Grant its identity the role EventGrid Data Sender "
            "on the topic, and allow a few minutes",
            status=status,
        )
    if status == 404:
        return MisconfiguredError(
            f"{said}: there is no such topic. Correct EVENT_GRID_TOPIC_ENDPOINT", status=status
        )
    if status == 429:
        throttled = ThrottledError(said, status=status)
        throttled.retry_after = _retry_after(error) or throttled.retry_after
        return throttled
    if status in {400, 413}:
        return UnusableError(f"{said}: it refuses an event", status=status)
    return error


def _retry_after(error: HttpResponseError) -> float | None:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    header = headers.get("Retry-After", "")
    return min(float(header), MAX_RETRY_AFTER_SECONDS) if header.strip().isdecimal() else None


def connect(endpoint: str, credential: "AsyncTokenCredential", **options: Any) -> "EventGridPublisherClient":
    """Return a client of the topic at `endpoint` (`https://{topic}.{region}-1.eventgrid.azure.net/api/events`).

    `options` are the SDK's own; they override Keywire's.
    """
    from azure.eventgrid.aio import EventGridPublisherClient  # noqa: PLC0415 - only this function needs it

    chosen = _CLIENT_OPTIONS | {"raw_request_hook": _untraced} | options
    return EventGridPublisherClient(endpoint, credential, **chosen)


def _batches(events: Sequence[bytes]) -> Iterator[list[CloudEvent[Any]]]:
    batch: list[CloudEvent[Any]] = []
    size = 0
    for event in events:
        value = json.loads(event)
        # As the SDK writes it: so many bytes with the separator behind it, which for the last one are the
        # brackets around all.
        length = len(json.dumps(value)) + len(", ")
        if batch and size + length > MAX_BODY_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(_cloud_event(value))
        size += length
    if batch:
        yield batch


def _cloud_event(value: dict[str, Any]) -> CloudEvent[Any]:
    """The event whose JSON value is `value`.

    Its time travels as an extension: what the SDK knows to be a time it writes with three digits at least,
    and without the zeros at the end of six.
    """
    time = {"time": value.pop("time")} if "time" in value else {}
    event: CloudEvent[Any] = CloudEvent.from_dict(value)
    event.extensions = (event.extensions or {}) | time
    return event


def _untraced(request: "PipelineRequest[Any]") -> None:
    """Keep the SDK from writing its own trace context into events that have none.

    It would make them differ from the stored ones, and from the length that their request states.
    """
    request.context.options["tracing_options"] = {"enabled": False}

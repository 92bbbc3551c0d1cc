"""Events to an Event Grid custom topic: the same JSON value that was stored, if not the same bytes.

Separate from the queue, because the SDK takes no bytes: it writes the JSON anew, with every character that
is not ASCII escaped, and would change what it understands (times, trace context). What it is given here is
made so that it has nothing to understand.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.messaging import CloudEvent

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest
    from azure.eventgrid.aio import EventGridPublisherClient

# For one request with its retries: the SDK waits as long as a Retry-After says, whatever else it is told.
PATIENCE_SECONDS: Final = 30.0
# The service takes 1 MB in a request, of whichever kind of megabyte.
MAX_BODY_BYTES: Final = 1_000_000

_CLIENT_OPTIONS: Final[dict[str, Any]] = {
    # Three retries after about 0, 2 and 4 seconds, and for 500, 503 and 504 only: of a POST the SDK repeats
    # nothing else. Whoever publishes comes back by itself.
    "retry_total": 3,
    "retry_backoff_factor": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # As for storage: function apps have no proxy and no netrc, and looking for them takes time.
    "use_env_settings": False,
}


class EventGridTopic:
    """Events on a custom topic with the CloudEvents 1.0 input schema.

    Args:
        client: As `connect` makes it.
        patience_seconds: What one request with its retries may take.
    """

    name: str = "event-grid"

    def __init__(
        self, client: "EventGridPublisherClient", *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._client = client
        self._patience = patience_seconds

    async def publish(self, events: Sequence[bytes]) -> None:
        """See `Destination`. Sent in their order, in as few requests as their size allows.

        Raises:
            azure.core.exceptions.AzureError: A request failed; those before it were taken.
        """
        for batch in _batches(events):
            try:
                async with asyncio.timeout(self._patience):
                    await self._client.send(batch)
            except TimeoutError as error:
                raise ServiceRequestTimeoutError("Event Grid took too long") from error


def connect(endpoint: str, credential: "AsyncTokenCredential", **options: Any) -> "EventGridPublisherClient":
    """A client of the topic at `endpoint` (`https://{topic}.{region}-1.eventgrid.azure.net/api/events`).

    `options` are the SDK's own and go before those that all our clients have.
    """
    from azure.eventgrid.aio import EventGridPublisherClient  # noqa: PLC0415

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

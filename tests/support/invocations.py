"""What the Functions worker passes to a handler, made from the library's and the worker's own classes."""

import json
import threading
from collections.abc import Mapping
from typing import Any, cast

import azure.functions as func
from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest
from azure_functions_runtime.bindings.context import Context
from azure_functions_runtime.bindings.tracecontext import TraceContext

from tests.support.builders import TRACEPARENT


def http_request(
    *,
    query: Mapping[str, str] | None = None,
    route: Mapping[str, str] | None = None,
    body: bytes | dict[str, Any] = b"",
    url: str = "https://keywire.example/api/route",
) -> func.HttpRequest:
    """Return a POST request; a dictionary is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return func.HttpRequest("POST", url, params=query, route_params=route, body=content)


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    """Return the JSON body of a response."""
    assert response.mimetype == "application/json"
    decoded: dict[str, Any] = json.loads(response.get_body())
    return decoded


def invocation(traceparent: str = TRACEPARENT) -> func.Context:
    """Return the context of an invocation; an empty `traceparent` is a host that traces nothing."""
    trace = TraceContext(traceparent, "", {})
    no_retry = cast("Any", None)  # no handler reads it
    return cast("func.Context", Context("function", "/app", "invocation", threading.local(), trace, no_retry))


def queue_message(body: bytes, *, dequeue_count: int | None = 1) -> func.QueueMessage:
    """Return a message that the queue delivered for the `dequeue_count`th time."""
    return QueueMessage(id="message", body=body, dequeue_count=dequeue_count)


def event_hub_events(*bodies: bytes) -> list[func.EventHubEvent]:
    """Return a batch of an Event Hub."""
    return [func.EventHubEvent(body=body) for body in bodies]


def timer(*, past_due: bool = False) -> func.TimerRequest:
    """Return a run of a timer."""
    return TimerRequest(past_due=past_due)

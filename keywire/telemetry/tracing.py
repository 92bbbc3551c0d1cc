"""Spans and trace context, with OpenTelemetry's API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

type Kind = Literal["internal", "client", "consumer", "producer"]

_tracer: Final = trace.get_tracer("keywire")
_PROPAGATOR: Final = TraceContextTextMapPropagator()


@contextmanager
def span(
    name: str,
    *,
    kind: Kind = "internal",
    traceparent: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Iterator[Span]:
    """Run the block in a span, which is the current one and records an exception.

    Args:
        name: The kind of work; without ids.
        kind: OpenTelemetry's kind of span.
        traceparent: The W3C trace context of the parent, for example from a job. The span links to the host's
            invocation unless that is the parent. None makes the current span the parent.
        attributes: Attributes, named by OpenTelemetry's semantic conventions.
    """
    context, links = None, []
    if traceparent:
        context = _PROPAGATOR.extract({"traceparent": traceparent})
        invocation = trace.get_current_span().get_span_context()
        parent = trace.get_current_span(context).get_span_context()
        if invocation.is_valid and invocation.span_id != parent.span_id:
            links.append(Link(invocation))
    with _tracer.start_as_current_span(
        name, context=context, kind=SpanKind[kind.upper()], links=links, attributes=attributes
    ) as current:
        yield current


def set_response_status(request: Span, status: int) -> None:
    """Set the HTTP status in the span of a request; a 4xx or 5xx makes the span an error."""
    request.set_attribute("http.response.status_code", status)
    if status >= 400:
        request.set_status(StatusCode.ERROR)


def current_traceparent() -> str | None:
    """Return the W3C trace context of the current span; None if nothing is traced."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")

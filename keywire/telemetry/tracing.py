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
    """A span around a piece of work, current while it lasts; an exception is noted in it.

    Args:
        name: Of the kind of work, not of the piece.
        kind: What the work is to others.
        traceparent: The W3C trace context that it goes on with, as a job carries one. The span of the
            invocation, which the host began, is linked then unless it is the same. None goes on with the
            current span.
        attributes: By the names of OpenTelemetry's semantic conventions.
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


def note_answer(request: Span, status: int) -> None:
    """Say in the span of a request how it was answered; a 4xx or 5xx is a failure of it."""
    request.set_attribute("http.response.status_code", status)
    if status >= 400:
        request.set_status(StatusCode.ERROR)


def current_traceparent() -> str | None:
    """The W3C trace context of the current span; None where nothing is traced."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")

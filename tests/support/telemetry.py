"""The metrics that Keywire promises, and a program that emits telemetry."""

# Kind of the points, unit and attribute keys of each instrument.
PROMISED: dict[str, tuple[str, str, set[str]]] = {
    "keywire.signals": ("sum", "{signal}", {"kind", "outcome"}),
    "keywire.extractions": ("sum", "{job}", {"signal", "outcome", "state"}),
    "keywire.callbacks.missed": ("sum", "{version}", set()),
    "keywire.publish.lag": ("histogram", "s", {"signal"}),
    "keywire.request.duration": ("histogram", "s", {"service", "operation", "status"}),
    "keywire.deferrals": ("sum", "{job}", {"reason"}),
    "keywire.poison": ("sum", "{message}", {"queue", "reason"}),
    "keywire.events": ("sum", "{event}", {"type", "destination"}),
    "keywire.reconciliation.runs": ("sum", "{run}", {"outcome"}),
    "keywire.reconciliation.found": ("sum", "{video}", {"reason"}),
    "keywire.queue.depth": ("gauge", "{message}", {"queue"}),
    "keywire.queue.oldest_age": ("gauge", "s", {"queue"}),
    "keywire.health": ("gauge", "1", {"check"}),
    "keywire.quota.used": ("gauge", "{request}", set()),
}

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
# A host that records nothing itself sends it like this.
TRACEPARENT = f"00-{TRACE}-{PARENT}-00"

# A program that emits a span, a metric and a log record, then ends.
SPEAKER = """
import logging, os
from keywire.telemetry import instruments, otlp, tracing
logging.basicConfig()
otlp.configure(os.environ)
with tracing.span("work", traceparent=os.environ.get("TRACEPARENT")):
    instruments.signals.add(1, {"kind": "callback", "outcome": "queued"})
    logging.getLogger("keywire.work").error("something went wrong")
"""

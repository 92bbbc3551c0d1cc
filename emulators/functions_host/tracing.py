"""The W3C trace context that a run starts with.

The real host opens a span of its own for every run and hands *that* to the worker: a caller's trace id
survives, its span id does not, and a run without a caller begins a new trace. The sampled flag of a new trace
is set; in Azure that is for the host's telemetry to decide.
"""

import re
import secrets

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def continued(traceparent: str | None) -> str:
    """The traceparent of a run whose caller sent `traceparent`; what isn't one begins a new trace."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    trace_id, flags = match.groups() if match else (secrets.token_hex(16), "01")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"

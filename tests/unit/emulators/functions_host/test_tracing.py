"""The trace context of a run."""

import re

import pytest

from emulators.functions_host.tracing import continued

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_run_continues_its_callers_trace_with_a_span_of_its_own() -> None:
    version, trace, span, flags = continued(f"00-{TRACE}-b7ad6b7169203331-00").split("-")
    assert (version, trace, flags) == ("00", TRACE, "00")
    assert span != "b7ad6b7169203331"


@pytest.mark.parametrize(
    "traceparent", [None, "", "junk", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-short-01"]
)
def test_without_a_valid_caller_a_trace_begins(traceparent: str | None) -> None:
    begun = continued(traceparent)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", begun)
    assert TRACE not in begun
    assert begun != continued(traceparent)

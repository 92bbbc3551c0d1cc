"""How the measurement of telemetry tells and adds up what came."""

from typing import Any

import pytest

from bench.telemetry import of_videos, told, weigh

SIZES = {"sentBytes": 100, "gzipBytes": 10}
COUNTED = {"items": 2, "bytes": 100, "gzipBytes": 10}


@pytest.mark.parametrize(
    ("batch", "what"),
    [
        ({"kinds": ["Metric", "Metric"], "metrics": ["\\Process\\Private Bytes", "keywire.events"]}, "busy"),
        ({"kinds": ["Metric", "Metric"], "metrics": ["\\Process\\Private Bytes", "\\Memory"]}, "idle"),
        ({"kinds": ["Request", "RemoteDependency"], "metrics": []}, "spans"),
        ({"kinds": ["RemoteDependency", "Exception"], "metrics": []}, "spans"),
        ({"kinds": ["Message", "Message"], "metrics": []}, "logs"),
    ],
)
def test_a_batch_for_application_insights_is_told_by_its_items(batch: dict[str, Any], what: str) -> None:
    assert told(batch | SIZES) == {"what": what, **COUNTED}


@pytest.mark.parametrize(("signal", "what"), [("traces", "spans"), ("metrics", "busy"), ("logs", "logs")])
def test_an_otlp_request_is_told_by_its_signal(signal: str, what: str) -> None:
    assert told({"signal": signal, **COUNTED})["what"] == what


def test_spans_and_log_lines_are_for_a_video_and_figures_for_a_minute_of_a_process() -> None:
    figures = weigh(
        [
            *({"what": "spans", "items": 6, "bytes": 600, "gzipBytes": 60} for _ in range(2)),
            {"what": "logs", "items": 3, "bytes": 300, "gzipBytes": 30},
            *({"what": "busy", "items": count, "bytes": 400, "gzipBytes": 40} for count in (10, 12)),
        ],
        videos=3,
    )
    assert figures["spans_items_per_video"] == 4
    assert figures["logs_bytes_per_video"] == 100
    assert figures["bytes_per_video"] == 500
    assert figures["figures_items_per_busy_minute"] == 11
    assert "figures_items_per_idle_minute" not in figures


def test_spans_of_the_local_host_are_nobodys() -> None:
    def span(name: str, trace: str, kind: str = "RemoteDependencyData") -> dict[str, Any]:
        return {"data": {"baseType": kind, "baseData": {"name": name}}, "tags": {"ai.operation.id": trace}}

    items = [
        span("callback", "1"),
        span("extract", "1", "RequestData"),
        span("QueueClient.receive_messages", "2"),
        span("callback said so", "1", "MessageData"),
    ]
    assert of_videos(items) == items[:2]

"""OTLP's protobuf messages as plain values, one entry for each span, metric point and log record.

Separate because it is the one place that knows the messages. Ids are lower-case hex, as in a traceparent;
times are Unix nanoseconds; enumerations have their names without the prefix.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_KINDS: Final = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def spans(body: bytes) -> Iterator[dict[str, Any]]:
    """The spans of an export request; a `DecodeError` says that it isn't one."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "resource": _attributes(resource.resource.attributes),
                    "scope": scope.scope.name,
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    "traceId": span.trace_id.hex(),
                    "spanId": span.span_id.hex(),
                    "parentSpanId": span.parent_span_id.hex(),
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "attributes": _attributes(span.attributes),
                    "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    "message": span.status.message,
                    "events": [
                        {"name": event.name, "attributes": _attributes(event.attributes)}
                        for event in span.events
                    ],
                    "links": [
                        {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links
                    ],
                }


def points(body: bytes) -> Iterator[dict[str, Any]]:
    """The points of an export request for metrics; a `DecodeError` says that it isn't one."""
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in _points_of(metric):
                    yield {
                        "resource": _attributes(resource.resource.attributes),
                        "scope": scope.scope.name,
                        "name": metric.name,
                        "unit": metric.unit,
                        "description": metric.description,
                        **point,
                    }


def log_records(body: bytes) -> Iterator[dict[str, Any]]:
    """The log records of an export request; a `DecodeError` says that it isn't one."""
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield {
                    "resource": _attributes(resource.resource.attributes),
                    "scope": scope.scope.name,
                    "time": record.time_unix_nano,
                    "severity": record.severity_text,
                    "body": _value(record.body),
                    "attributes": _attributes(record.attributes),
                    "traceId": record.trace_id.hex(),
                    "spanId": record.span_id.hex(),
                }


def _points_of(metric: Metric) -> Iterator[dict[str, Any]]:
    kind = metric.WhichOneof("data")
    if kind not in _KINDS:
        return
    data = getattr(metric, kind)
    for point in data.data_points:
        told = {
            "kind": kind,
            "attributes": _attributes(point.attributes),
            "start": point.start_time_unix_nano,
            "time": point.time_unix_nano,
        }
        if kind != "gauge":
            temporality = AggregationTemporality.Name(data.aggregation_temporality)
            told["temporality"] = temporality.removeprefix("AGGREGATION_TEMPORALITY_")
        if kind in {"gauge", "sum"}:
            told["value"] = getattr(point, point.WhichOneof("value"))
        else:
            told |= {"count": point.count, "sum": point.sum}
        if kind == "histogram":
            told["bounds"] = list(point.explicit_bounds)
        yield told


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case name:
            return getattr(value, name)

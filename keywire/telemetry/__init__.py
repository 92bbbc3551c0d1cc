"""Metrics and traces with OpenTelemetry."""

"""A receiver of OpenTelemetry's own protocol: OTLP over HTTP with protobuf bodies, as a collector has it.

What comes is kept and can be read as JSON. It takes everything and forwards nothing; gRPC and the JSON
encoding of OTLP are left out.
"""

from emulators.otlp.app import create_app

__all__ = ["create_app"]

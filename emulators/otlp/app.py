"""How the receiver is put together: the three signals, and controls to read what came."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from emulators.framework.control import ControlError, route
from emulators.framework.exact_json import answer
from emulators.otlp import decoding

type Decoder = Callable[[bytes], Iterator[dict[str, Any]]]

PROTOBUF: Final = "application/x-protobuf"
SIGNALS: Final[dict[str, Decoder]] = {
    "traces": decoding.spans,
    "metrics": decoding.points,
    "logs": decoding.log_records,
}


def create_app() -> Starlette:
    """A receiver that has got nothing yet.

    `GET /emulator/traces`, `/metrics` and `/logs` show the spans, points and records that came, `/requests`
    how they came; `DELETE /emulator/received` forgets all of it.
    """
    receiver = _Receiver()
    return Starlette(
        routes=[
            Route("/v1/{signal}", receiver.export, methods=["POST"]),
            Mount(
                "/emulator",
                routes=[
                    route("GET", "/requests", receiver.list_requests),
                    route("DELETE", "/received", receiver.forget),
                    route("GET", "/{signal}", receiver.list_received),
                ],
            ),
        ]
    )


class _Receiver:
    def __init__(self) -> None:
        self._received: dict[str, list[dict[str, Any]]] = {signal: [] for signal in SIGNALS}
        self._requests: list[dict[str, Any]] = []

    async def export(self, request: Request) -> Response:
        """Take what an exporter sends: an empty message says that all of it was taken."""
        signal = request.path_params["signal"]
        if signal not in SIGNALS:
            return Response(status_code=404)
        if request.headers.get("content-type") != PROTOBUF:
            return Response(status_code=415)
        sent = await request.body()
        try:
            body = _decompressed(sent, request.headers.get("content-encoding", "identity"))
            decoded = list(SIGNALS[signal](body))
        except (DecodeError, OSError, EOFError, zlib.error, ValueError) as error:
            return Response(str(error), 400)
        self._received[signal] += decoded
        self._requests.append(
            {
                "signal": signal,
                "items": len(decoded),
                "bytes": len(body),
                "sentBytes": len(sent),
                "gzipBytes": len(gzip.compress(body)),
            }
        )
        return Response(b"", media_type=PROTOBUF)

    async def list_received(self, request: Request) -> Response:
        """Show what came of one signal, in the order in which it came."""
        received = self._received.get(request.path_params["signal"])
        if received is None:
            raise ControlError(404, "There is no such signal.")
        return answer(received)

    async def list_requests(self, _: Request) -> Response:
        """Show the requests: how many items each had, and its size plain, as it was sent, and compressed."""
        return answer(self._requests)

    async def forget(self, _: Request) -> Response:
        """Forget everything."""
        self._requests.clear()
        for received in self._received.values():
            received.clear()
        return Response(status_code=204)


def _decompressed(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "identity":
            return body
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
    raise ValueError(f"The encoding {encoding} is not known.")

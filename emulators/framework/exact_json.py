"""JSON in and out without loss: an insights file leaves the emulator with the values it came in with.

Separate because the standard ways round numbers: a confidence of 0.62110000000000000001 read as a float
is another number. Fractions are therefore kept as decimals; the order of keys is kept as well.
"""

from decimal import Decimal
from typing import Any

import msgspec
from starlette.responses import Response

type JsonObject = dict[str, Any]

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> Any:
    """The JSON value in `body` (UTF-8, a byte order mark is allowed); ValueError where there is none."""
    try:
        return _decoder.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError as error:
        raise ValueError("The JSON is nested too deeply.") from error


def encode(value: Any) -> bytes:
    """`value` as JSON."""
    return _encoder.encode(value)


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(encode(value), status, headers, media_type="application/json; charset=utf-8")

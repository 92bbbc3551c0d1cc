"""HTTP requests and responses in the worker's form, as the host puts them on the wire.

Headers are lower case, a repeated one is joined with commas; so is a repeated query parameter, whose names
don't regard case; an empty query parameter doesn't arrive at all. The body is bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from emulators.functions_host import datums
from emulators.functions_host.datums import Datum

_NO_CONTENT_LENGTH = frozenset({204, 304})
_HOP_BY_HOP = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})

type Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response as ASGI wants it."""

    status: int
    headers: Headers
    body: bytes = b""


def empty(status: int) -> Response:
    """A response without a body."""
    return Response(status, _complete([], status, 0))


def json_response(status: int, body: bytes) -> Response:
    """A response with a JSON body."""
    return Response(status, _complete([(b"content-type", b"application/json")], status, len(body)), body)


def headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of an ASGI request."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def query(raw: bytes) -> dict[str, str]:
    """The query parameters of an ASGI request."""
    if not raw:
        return {}
    found: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        key = spelled.setdefault(name.lower(), name)
        found[key] = f"{found[key]},{value}" if key in found else value
    return {name: value for name, value in found.items() if value}


def request(
    scope: Mapping[str, Any],
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    parameters: Mapping[str, str],
    body: bytes,
) -> Datum:
    """The input of an HTTP trigger."""
    path = scope["raw_path"].decode("latin-1")
    query_string = scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{headers.get('host', '')}{path}{'?' if query_string else ''}{query_string}"
    return datums.http(
        {
            "method": datums.string(scope["method"]),
            "url": datums.string(url),
            "headers": _strings(headers),
            "query": _strings(query),
            "params": _strings(parameters),
            "body": datums.octets(body),
        }
    )


def response(value: Datum | None) -> Response:
    """The response for what an HTTP function returned: a `func.HttpResponse`, a text, or nothing (204)."""
    if value is None or value.value is None:
        return empty(204)
    if value.type != "http":
        body = value.value if isinstance(value.value, bytes) else str(value.value).encode()
        plain = [(b"content-type", b"text/plain; charset=utf-8")]
        return Response(200, _complete(plain, 200, len(body)), body)
    http = value.value
    status = int(http["status_code"].value)
    body = http["body"].value or b""
    found: Headers = [
        (name.lower().encode("latin-1"), str(item.value).encode("latin-1"))
        for name, item in http["headers"].items()
        if name.lower() not in _HOP_BY_HOP
    ]
    for cookie in http.get("cookies") or ():
        found += [(b"set-cookie", morsel.OutputString().encode("latin-1")) for morsel in cookie.values()]
    return Response(
        status, _complete(found, status, len(body)), b"" if status in _NO_CONTENT_LENGTH else body
    )


def _complete(found: Headers, status: int, length: int) -> Headers:
    return found if status in _NO_CONTENT_LENGTH else [*found, (b"content-length", b"%d" % length)]


def _strings(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: datums.string(value) for name, value in values.items()}

"""The HTTP side of the host: an ASGI application that routes, checks the key, and runs the function.

Plain ASGI and no framework: what stands between a request and a function is measured. The order is the real
host's: an unknown path or method is 404, then a missing key 401, then a body over 100 MiB 413; a function
that raises is 500 with an empty body.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from emulators.functions_host import requests
from emulators.functions_host.admin import Admin
from emulators.functions_host.bindings import AuthLevel, HttpOutput
from emulators.functions_host.datums import Datum
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import Function
from emulators.functions_host.keys import Keys
from emulators.functions_host.routes import Match, RouteTable
from emulators.functions_host.worker import Outcome

MAX_BODY_BYTES: Final = 104_857_600  # FUNCTIONS_REQUEST_BODY_SIZE_LIMIT's default
_ADMIN: Final = b"/admin/"

type Scope = Mapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpApp:
    """The application that the server runs."""

    def __init__(self, routes: RouteTable, executor: Executor, keys: Keys, admin: Admin) -> None:
        self._routes = routes
        self._executor = executor
        self._keys = keys
        self._admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive) -> requests.Response:
        method, raw_path = scope["method"], scope["raw_path"]
        headers = requests.headers(scope["headers"])
        query = requests.query(scope["query_string"])
        admin = raw_path.lower().startswith(_ADMIN)
        match = None if admin else self._routes.find(method, raw_path)
        if match is None and not admin:
            return requests.empty(404)
        level = match.trigger.auth_level if match else AuthLevel.ADMIN
        if not self._keys.open(level, headers, query):
            return requests.empty(401)
        body = await _body(receive)
        if body is None:
            return requests.empty(413)
        if match is None:
            return self._admin.answer(
                method, raw_path, content_type=headers.get("content-type", ""), body=body
            )
        request = requests.request(
            scope, headers=headers, query=query, parameters=match.parameters, body=body
        )
        return await self._run(match, request, headers)

    async def _run(self, match: Match, request: Datum, headers: Mapping[str, str]) -> requests.Response:
        outcome = await self._executor.run(
            match.function,
            [(match.trigger.parameter, request)],
            traceparent=headers.get("traceparent"),
            tracestate=headers.get("tracestate", ""),
        )
        if not outcome.ok:
            return requests.empty(500)
        return requests.response(_response_value(match.function, outcome))


def _response_value(function: Function, outcome: Outcome) -> Datum | None:
    for output in function.outputs:
        if isinstance(output, HttpOutput) and output.parameter != "$return":
            return dict(outcome.outputs).get(output.parameter)
    return outcome.value


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it's too large or the client went away while sending it."""
    message = await receive()
    if not message.get("more_body"):  # nearly always
        body: bytes = message.get("body", b"")
        return body if len(body) <= MAX_BODY_BYTES else None
    chunks = bytearray(message["body"])
    while message.get("more_body") and len(chunks) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks += message.get("body", b"")
    return bytes(chunks) if len(chunks) <= MAX_BODY_BYTES else None

"""How the receiver is put together: ingestion, the live view, and controls to read what came."""

import gzip
import json
import time
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from emulators.app_insights import access
from emulators.app_insights.errors import IngestionError
from emulators.framework.clock import Clock
from emulators.framework.control import ControlOperation, route
from emulators.framework.exact_json import answer

INSTRUMENTATION_KEY: Final = "2b4d1f6a-7c3e-4a59-8f10-9d5e6c7b8a21"
_KIND: Final = "Microsoft.ApplicationInsights."


def create_app(*, client_id: str | None = None, clock: Clock = time.time) -> Starlette:
    """A receiver that has got nothing yet; `client_id` names the identity that may publish, None any.

    `GET /emulator/items` shows the telemetry items that came, `/requests` how they came; `DELETE
    /emulator/received` forgets all of it.
    """
    receiver = _Receiver(client_id, clock)
    return Starlette(
        routes=[
            *_twice("/v2.1/track", receiver.track),
            *_twice("/QuickPulseService.svc/ping", receiver.ping),
            Mount(
                "/emulator",
                routes=[
                    route("GET", "/items", receiver.list_items),
                    route("GET", "/requests", receiver.list_requests),
                    route("DELETE", "/received", receiver.forget),
                ],
            ),
        ],
        exception_handlers={IngestionError: _refuse},
    )


def _twice(path: str, operation: ControlOperation) -> list[Route]:
    """With one slash and two: what a connection string names ends with one, and the SDK adds another."""
    return [Route(f"{root}{path}", operation, methods=["POST"]) for root in ("", "/")]


class _Receiver:
    def __init__(self, client_id: str | None, clock: Clock) -> None:
        self._client_id = client_id
        self._clock = clock
        self._items: list[dict[str, Any]] = []
        self._requests: list[dict[str, Any]] = []

    async def track(self, request: Request) -> Response:
        """Take a batch of telemetry items: all of them, or those that are for this component (206)."""
        access.check(request, self._client_id, self._clock)
        sent = await request.body()
        items = _parsed(sent, request.headers.get("content-encoding"))
        errors = [
            {"index": index, "statusCode": 400, "message": "Invalid instrumentation key"}
            for index, item in enumerate(items)
            if item.get("iKey") != INSTRUMENTATION_KEY
        ]
        taken = [item for item in items if item.get("iKey") == INSTRUMENTATION_KEY]
        self._items += taken
        self._requests.append(
            {
                "kinds": [str(item.get("name", "")).removeprefix(_KIND) for item in items],
                "metrics": [metric["name"] for item in items for metric in _metrics(item)],
                "sentBytes": len(sent),
                "gzipBytes": len(gzip.compress(sent)),
            }
        )
        result = {"itemsReceived": len(items), "itemsAccepted": len(taken), "errors": errors}
        return answer(result, 206 if errors else 200)

    async def ping(self, request: Request) -> Response:
        """Nobody looks at live metrics."""
        access.check(request, self._client_id, self._clock)
        return Response(headers={"x-ms-qps-subscribed": "false"})

    async def list_items(self, _: Request) -> Response:
        """Show the items, in the order in which they came."""
        return answer(self._items)

    async def list_requests(self, _: Request) -> Response:
        """Show the batches: the kinds of their items, the names of metrics, the sizes sent and compressed."""
        return answer(self._requests)

    async def forget(self, _: Request) -> Response:
        """Forget everything."""
        self._items.clear()
        self._requests.clear()
        return Response(status_code=204)


def _parsed(sent: bytes, encoding: str | None) -> list[dict[str, Any]]:
    try:
        items = json.loads(gzip.decompress(sent) if encoding == "gzip" else sent)
    except (ValueError, OSError, EOFError) as error:
        raise IngestionError(400, "The body is no JSON.") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise IngestionError(400, "The body is no array of telemetry items.")
    return items


def _metrics(item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = item.get("data", {}).get("baseData", {}).get("metrics", [])
    return found


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, IngestionError)
    return error.response("")

"""The Event Hub listener without an Event Hub: batches come by HTTP, on a port of the function's process.

`POST /emulator/eventhubs/{hub}` with a JSON array of message bodies (texts) hands them to the function, as
one batch or, where its cardinality is one, one after another. 200 says that every run succeeded, 500 that one
failed: only here does anybody hear of it. The real host moves its checkpoint on either way, so it is the
function's own affair to lose nothing, and nothing is tried again here either. Requests at the same time are
what several partitions are. Left out: the protocol (AMQP), checkpoints, retry policies, and how the real host
fills a batch.
"""

import json
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.functions_host import events
from emulators.functions_host.bindings import EventHubTrigger
from emulators.functions_host.executor import Executor
from emulators.functions_host.functions import Function

PATH: Final = "/emulator/eventhubs/{hub}"


def application(function: Function, executor: Executor) -> Starlette:
    """The ASGI application that runs one function."""
    trigger = function.trigger
    assert isinstance(trigger, EventHubTrigger)

    async def send(request: Request) -> Response:
        if request.path_params["hub"].lower() != trigger.hub.lower():
            return JSONResponse({"error": f"{function.name} listens to another Event Hub"}, 404)
        try:
            bodies = _bodies(await request.body())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        outcomes = [
            await executor.run(function, batch.inputs, batch.metadata)
            for batch in events.batches(trigger, bodies)
        ]
        failed = sum(not outcome.ok for outcome in outcomes)
        return JSONResponse({"runs": len(outcomes), "failed": failed}, 500 if failed else 200)

    return Starlette(routes=[Route(PATH, send, methods=["POST"])])


def _bodies(body: bytes) -> list[bytes]:
    """The message bodies of a request; an Event Hub never hands on none.

    Raises:
        ValueError: It is no JSON array of texts.
    """
    sent = json.loads(body)
    if not isinstance(sent, list) or not sent or not all(isinstance(text, str) for text in sent):
        raise ValueError("a batch is a JSON array of texts, at least one")
    return [text.encode() for text in sent]

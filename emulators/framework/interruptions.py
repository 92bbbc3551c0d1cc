"""Answers that do not come, or not whole: a client's own timeouts and retries are what they are for.

`BrokenResponse` ends the connection itself. ASGI has no word for that, so it uses uvicorn's transport,
which hangs on the `receive` callable; where there is no connection (httpx's ASGI transport) the client
gets the exception that it would get from a real one.
"""

import asyncio

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulators.framework.clock import Sleep


class BrokenResponse(Response):
    """Half of an answer, or none of it; then the connection ends. `outcome` is how it is counted."""

    def __init__(self, answer: Response | None) -> None:
        super().__init__(status_code=200 if answer is None else answer.status_code)
        self.raw_headers = [] if answer is None else answer.raw_headers  # the length is that of the whole
        self.outcome = "reset" if answer is None else "truncate"
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send what is to be sent and break off."""
        if self._answer is not None:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            body = bytes(self._answer.body)
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a complete response.")
        if self._answer is None:
            transport.abort()
        else:
            transport.close()  # what was written goes out first
        await _client_has_gone(receive)


async def hang(seconds: float, sleep: Sleep, receive: Receive) -> None:
    """Wait for so long, or until the client has gone."""
    # Nobody is kept waiting for a client that has given up: a server could not shut down.
    ends = [asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(_client_has_gone(receive))]
    _, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in pending:
        end.cancel()


async def _client_has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""What an operation of an emulator raises when it does not do what it was asked.

Separate from the shapes, of which every service has its own: who runs the operations catches this and lets
it say its answer.
"""

from typing import Any

from starlette.responses import Response

from emulators.framework.exact_json import answer


class Refusal(Exception):  # noqa: N818 - an answer that the operation decided on, not a defect
    """The operation was not carried out; `status` and the body say why."""

    def __init__(self, status: int, kind: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.retry_after = retry_after

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body."""
        raise NotImplementedError

    def response(self, request_id: str) -> Response:
        """What the client gets."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return answer(self.body(request_id), self.status, headers)

"""Why the topic refuses, in the shape in which Event Grid says so.

Its documentation gives `{"error": {"code", "message", "details": [{"code", "message"}]}}`; the details
repeat code and message.
"""

from typing import Any, Final

from emulators.framework.refusals import Refusal

_CODES: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


class TopicError(Refusal):
    """The topic refused a request."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(status, _CODES.get(status, "InternalServerError"), message, retry_after)

    def body(self, request_id: str) -> dict[str, Any]:
        """Name the request, as support would ask for it."""
        said = {"code": self.kind, "message": f"{self.message} [request {request_id}]"}
        return {"error": said | {"details": [said]}}

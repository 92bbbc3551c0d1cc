"""Why a request is refused, in the three shapes in which the real service says so.

    Refusal                 what every operation of an emulator may raise
    ├── ServiceError        Video Indexer itself:   {"ErrorType", "Message": "... Trace id: '...'."}
    ├── ArmError            Azure Resource Manager: {"error": {"code", "message"}}
    └── GatewayError        the API gateway:        {"statusCode", "message"}

Separate, because which shape a client gets depends on who refuses and not on the operation: a client that
knows only one of them fails on the day when it meets another.
"""

from typing import Any, Final, Literal

from emulators.framework.refusals import Refusal

type Plane = Literal["arm", "data"]

_SERVICE_TYPES: Final = {
    400: "INVALID_INPUT",
    401: "ACCESS_TOKEN_VALIDATION_FAILED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "VIDEO_INDEXING_IN_PROGRESS",
    504: "SERVER_TIMEOUT",
}
_ARM_CODES: Final = {
    400: "InvalidInput",
    401: "InvalidAuthenticationToken",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


class ServiceError(Refusal):
    """Video Indexer refused; `kind` is its ErrorType."""

    def body(self, request_id: str) -> dict[str, Any]:
        """Carry the request id as support would ask for it."""
        return {"ErrorType": self.kind, "Message": f"{self.message} Trace id: '{request_id}'."}


class ArmError(Refusal):
    """Azure Resource Manager refused; `kind` is its code."""

    def body(self, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - ARM names it in a header only
        """Use the envelope of all of Resource Manager."""
        return {"error": {"code": self.kind, "message": self.message}}


class GatewayError(Refusal):
    """The gateway refused before Video Indexer saw the request; it has no type, only a status."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(status, "", message, retry_after)

    def body(self, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - the gateway names none
        """Use the gateway's lower-case names."""
        return {"statusCode": self.status, "message": self.message}


def too_many_requests(seconds: int) -> GatewayError:
    """The refusal of a rate limit; the wait is in the header and, for people, in the text."""
    return GatewayError(429, f"Rate limit is exceeded. Try again in {seconds} seconds.", seconds)


def refusal_of(plane: Plane, status: int, kind: str | None, retry_after: int | None) -> Refusal:
    """The refusal that `plane` would give with this status; `kind` overrides its usual type or code."""
    if plane == "arm":
        code = kind or _ARM_CODES.get(status, "InternalServerError")
        return ArmError(status, code, "The request could not be served.", retry_after)
    if status == 429:
        return too_many_requests(1 if retry_after is None else retry_after)
    error_type = kind or _SERVICE_TYPES.get(status, "GENERAL")
    return ServiceError(status, error_type, "There was an error.", retry_after)

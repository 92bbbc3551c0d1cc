"""Why ingestion refuses, in the shape of its answers: counts, and an error for each item or for all."""

from typing import Any

from emulators.framework.refusals import Refusal


class IngestionError(Refusal):
    """Nothing of the request was taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "", message)

    def body(self, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - the service names no request
        """Say it of the first item."""
        error = {"index": 0, "statusCode": self.status, "message": self.message}
        return {"itemsReceived": 0, "itemsAccepted": 0, "errors": [error]}

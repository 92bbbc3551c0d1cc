"""Where events go that could not be delivered: a JSON array in a blob, with what was tried.

Separate from delivering, which decides that an event is dead. The names of blobs and members are the
service's (learn.microsoft.com/azure/event-grid/manage-event-delivery and /delivery-and-retry), for the
CloudEvents schema. The service writes after five minutes and several events to a blob; this, at once and
one.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import httpx

from emulators import identity
from emulators.framework import exact_json
from emulators.framework.exact_json import JsonObject
from emulators.framework.outbound import Outbound

_STORAGE: Final = "https://storage.azure.com"
_STORAGE_VERSION: Final = "2021-12-02"


class DeadLetterError(Exception):
    """A dead letter could not be kept; the event is dropped."""


class DeadLetters(Protocol):
    """A place for dead letters."""

    @property
    def is_available(self) -> bool:
        """Whether there is one."""

    async def write(self, name: str, body: bytes) -> None:
        """Keep `body` as the blob `name`, or raise a DeadLetterError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an event is dead; the moments are Unix seconds."""

    reason: str
    attempts: int
    last_outcome: str
    published: float
    last_attempted: float


class BlobDeadLetters:
    """Dead letters in the blob container at `container`, an address without a trailing slash."""

    def __init__(self, outbound: Outbound, container: str | None = None) -> None:
        self.container = container
        self._outbound = outbound

    @property
    def is_available(self) -> bool:
        """See `DeadLetters`."""
        return self.container is not None

    async def write(self, name: str, body: bytes) -> None:
        """See `DeadLetters`. Sent with a token, as the topic's own identity would."""
        token = identity.issue(_STORAGE, expires_on=int(time.time()) + 3600, signing_key=bytes(32))
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": _STORAGE_VERSION,
        }
        try:
            answer = await self._outbound.send("PUT", f"{self.container}/{name}", headers, body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise DeadLetterError(type(error).__name__) from error
        if answer.status_code != 201:
            raise DeadLetterError(f"storage answers {answer.status_code}")


def blob_name(topic: str, subscription: str, moment: float) -> str:
    """Upper case, and the hour's numbers without zeros before them, as the service writes them."""
    hour = datetime.fromtimestamp(moment, UTC)
    day = f"{hour.year}/{hour.month}/{hour.day}/{hour.hour}"
    return f"{topic.upper()}/{subscription.upper()}/{day}/{uuid.uuid4()}.json"


def letter(event: JsonObject, failure: Failure) -> bytes:
    """The blob: the event with the members that tell of its end, alone in an array."""
    told = {
        "deadletterreason": failure.reason,
        "deliveryattempts": failure.attempts,
        "lastdeliveryoutcome": failure.last_outcome,
        "publishtime": _written(failure.published),
        "lastdeliveryattempttime": _written(failure.last_attempted),
    }
    return exact_json.encode([event | told])


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")

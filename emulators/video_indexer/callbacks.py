"""Telling the uploader: a POST without a body, everything in the query string, unsigned, tried once.

Separate, because a callback is the weakest promise of the service and gets faults of its own: it may be
dropped, doubled or late. The real service's retries are undocumented, so there are none here.
"""

import logging
from typing import Literal
from urllib.parse import quote, urlencode

import httpx

from emulators.framework.clock import Clock, Sleep
from emulators.framework.faults import FaultList
from emulators.framework.outbound import Outbound
from emulators.video_indexer import timestamps
from emulators.video_indexer.faults import Fault
from emulators.video_indexer.library import Delivery, Video

_log = logging.getLogger(__name__)


def address(url: str, parameters: dict[str, str]) -> str:
    """`url` with `parameters` after its own, which stay as they are, escapes and all.

    A fragment is dropped: no HTTP client sends one.
    """
    base = url.partition("#")[0]
    joint = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return f"{base}{joint}{urlencode(parameters, quote_via=quote)}"


class Callbacks:
    """Sends notifications and records on the video how each attempt went."""

    def __init__(
        self,
        outbound: Outbound,
        faults: FaultList[Fault],
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self._outbound = outbound
        self._faults = faults
        self._clock = clock
        self._sleep = sleep

    async def indexing(self, video: Video, url: str, state: str) -> None:
        """Say that the video has reached `state`."""
        await self._notify(video, "indexing", url, {"id": video.id, "state": state})

    async def person_identified(
        self, video: Video, url: str, *, face_id: str, known_person_id: str, person_name: str
    ) -> None:
        """Say that somebody was recognized: the second kind of notification, without a state."""
        person = {"faceId": face_id, "knownPersonId": known_person_id, "personName": person_name}
        await self._notify(video, "person-identified", url, {"id": video.id, **person})

    async def _notify(
        self,
        video: Video,
        notification: Literal["indexing", "person-identified"],
        url: str,
        parameters: dict[str, str],
    ) -> None:
        fault = self._faults.take(lambda each: each.matches("Callback", video.id))
        kind = fault.kind if fault else None
        if fault is not None and kind == "delay":
            await self._sleep(fault.seconds)
        for _ in range(2 if kind == "double" else 1):
            status, error = (
                (None, "dropped") if kind == "drop" else await self._post(address(url, parameters))
            )
            time = timestamps.written(self._clock())
            state = parameters.get("state")
            video.deliveries.append(Delivery(time, notification, state, status, error))
            _log.info(
                "callback video=%s notification=%s state=%s status=%s error=%s",
                video.id,
                notification,
                state,
                status,
                error,
            )

    async def _post(self, url: str) -> tuple[int | None, str | None]:
        try:
            answer = await self._outbound.send("POST", url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return None, type(error).__name__
        return answer.status_code, None

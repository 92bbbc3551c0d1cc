"""Controls of single videos: what their next indexing finds, how it ends, and callbacks out of turn.

Separate from the switches, which concern the emulator as a whole.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators.framework.control import Body, ControlError, parsed, route
from emulators.framework.exact_json import answer
from emulators.video_indexer import insights, timestamps
from emulators.video_indexer.callbacks import Callbacks
from emulators.video_indexer.library import Given, Indexed, Library, Outcome, Video


class _Outcome(Body):
    state: Literal["Processed", "Failed", "Quarantined"]
    failure_code: str | None = None
    failure_message: str | None = None


class _Videos(Body):
    count: Annotated[int, msgspec.Meta(ge=1)]


class _Callback(Body):
    state: str | None = None


class _Person(Body):
    face_id: str = "1"
    known_person_id: str = "00000000-0000-0000-0000-000000000001"
    person_name: str = "Somebody"


@dataclass(frozen=True, slots=True)
class VideoControls:
    """The operations; each raises a ControlError where it does not answer."""

    library: Library
    callbacks: Callbacks

    def routes(self) -> list[Route]:
        """Where the operations are."""
        return [
            route("GET", "/videos", self.audit),
            route("POST", "/videos", self.add_indexed),
            route("GET", "/history", self.tell_history),
            route("PUT", "/videos/{video_id}/insights", self.set_insights),
            route("PUT", "/videos/{video_id}/outcome", self.set_outcome),
            route("POST", "/videos/{video_id}/callback", self.send_callback),
            route("POST", "/videos/{video_id}/person-identified", self.send_person_identified),
        ]

    async def audit(self, _: Request) -> Response:
        """Show every video, removed ones too, and how its callbacks went."""
        return answer(
            [
                {
                    "id": video.id,
                    "name": video.given.name,
                    "state": video.state,
                    "removed": video.removed,
                    "indexings": video.indexings,
                    "callbacks": [asdict(delivery) for delivery in video.deliveries],
                }
                for video in self.library.everything()
            ]
        )

    async def add_indexed(self, request: Request) -> Response:
        """Add videos that are indexed already, in which nothing was found, and answer their ids.

        An account of many thousands is uploaded in many minutes, and made in a second.
        """
        added = []
        for number in range(parsed(await request.body(), _Videos).count):
            video = self.library.add(Given(name=f"Video {number}"), None, None)
            video.state = "Processed"
            video.history.append(Indexed(video.created, video.created, Outcome("Processed"), None))
            added.append(video.id)
        return answer(added)

    async def tell_history(self, _: Request) -> Response:
        """Show of every video how each of its indexings ended, and the keywords that it had from then on."""
        return answer(
            [
                {
                    "id": video.id,
                    "name": video.given.name,
                    "removed": video.removed,
                    "outcomes": [
                        {
                            "began": timestamps.written(indexed.began),
                            "ended": timestamps.written(indexed.ended),
                            "state": indexed.outcome.state,
                            "failureCode": indexed.outcome.failure_code,
                            "failureMessage": indexed.outcome.failure_message,
                            "keywords": insights.keywords_of(indexed.found),
                        }
                        for indexed in video.history
                    ],
                }
                for video in self.library.everything()
            ]
        )

    async def set_insights(self, request: Request) -> Response:
        """Set what the next indexing finds or, with `language`, what a translation says."""
        video = self._video(request)
        index = insights.parse(await request.body())
        if index is None:
            raise ControlError(400, "The body is not an insights file (a JSON object with a list of videos).")
        language = request.query_params.get("language")
        if language:
            video.translations[language.casefold()] = index
        else:
            video.media = index
        return Response(status_code=204)

    async def set_outcome(self, request: Request) -> Response:
        """Set how the next indexing ends, or the one that is running."""
        video = self._video(request)
        outcome = parsed(await request.body(), _Outcome)
        video.next_outcome = Outcome(outcome.state, outcome.failure_code, outcome.failure_message)
        return Response(status_code=204)

    async def send_callback(self, request: Request) -> Response:
        """Send the callback once more, in the present state or in any other."""
        video = self._video(request)
        state = parsed(await request.body(), _Callback).state or video.state
        await self.callbacks.indexing(video, _callback_url(video), state)
        return _last_delivery(video)

    async def send_person_identified(self, request: Request) -> Response:
        """Send the second kind of callback to the same URL."""
        video = self._video(request)
        person = parsed(await request.body(), _Person)
        await self.callbacks.person_identified(
            video,
            _callback_url(video),
            face_id=person.face_id,
            known_person_id=person.known_person_id,
            person_name=person.person_name,
        )
        return _last_delivery(video)

    def _video(self, request: Request) -> Video:
        video = self.library.find(request.path_params["video_id"])
        if video is None:
            raise ControlError(404, "There is no such video.")
        return video


def _callback_url(video: Video) -> str:
    if video.callback_url is None:
        raise ControlError(409, "The video has no callback URL.")
    return video.callback_url


def _last_delivery(video: Video) -> Response:
    return answer(asdict(video.deliveries[-1]))

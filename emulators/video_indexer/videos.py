"""The data plane: the operations on videos that clients call with Video Indexer's own tokens.

Separate from what they do it with: each operation checks access, asks the library, and answers.

Left out: everything about streams, thumbnails, captions, faces, models, widgets and projects other than
reading them; `sendSuccessEmail` and priorities are accepted and mean nothing.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from emulators.framework.clock import Clock
from emulators.framework.exact_json import JsonObject, answer
from emulators.framework.outbound import Outbound
from emulators.video_indexer import insights, listing, uploads
from emulators.video_indexer.access import Access
from emulators.video_indexer.errors import ServiceError
from emulators.video_indexer.indexing import Indexing
from emulators.video_indexer.insights import Selection
from emulators.video_indexer.library import Library, Video


@dataclass(frozen=True, slots=True)
class Videos:
    """The operations; each raises a ServiceError where it does not answer."""

    access: Access
    library: Library
    indexing: Indexing
    outbound: Outbound
    clock: Clock

    async def upload(self, request: Request) -> Response:
        """Take a video and start to index it."""
        self.access.check(request, "Contributor")
        given = uploads.described(request)
        callback_url = uploads.callback_url(request)
        media = insights.parse(await uploads.media(request, self.outbound))
        video = self.library.add(insights.adopt(given, media), media, callback_url)
        response = answer(self._item(video))  # as long as it is still Uploaded
        self.indexing.start(video, callback_url)
        return response

    async def list_videos(self, request: Request) -> Response:
        """List videos in all states, the newest first."""
        self.access.check(request, "Reader")
        query = request.query_params
        page, period = listing.Page.asked_for(query), listing.Period.asked_for(query)
        videos = [video for video in self.library.newest_first() if period.holds(video)]
        if "partitions" in query:
            videos = [video for video in videos if listing.is_listed(query, self._item(video))]
        return answer(page.of(videos, self._item))

    async def search(self, request: Request) -> Response:
        """List processed videos that hold a text, those with the most hits first."""
        self.access.check(request, "Reader")
        query = request.query_params
        page, period = listing.Page.asked_for(query), listing.Period.asked_for(query)
        found = []
        for video in self.library.newest_first():
            index = self._index(video)
            item = listing.item(video, index)
            if period.holds(video) and listing.is_found(query, item):
                hits = listing.matches(query, index)
                if hits is not None:
                    found.append({**item, "searchMatches": hits})
        found.sort(key=lambda item: -len(item["searchMatches"]))
        return answer(page.of(found, lambda item: item))

    async def get_index(self, request: Request) -> Response:
        """Answer what is known about a video."""
        video_id = request.path_params["video_id"]
        known = self.library.find(video_id)
        is_public = known is not None and self._index(known)["privacyMode"] == "Public"
        self.access.check(request, "Reader", video_id, is_public=is_public)
        selection = _selection(request)
        index = self._index(self._find(video_id), request.query_params.get("language"))
        return answer(insights.select(index, selection, self.access.location))

    async def re_index(self, request: Request) -> Response:
        """Index a video again. A callback is sent only if this request asks for one."""
        video = self._checked(request)
        callback_url = uploads.callback_url(request)
        if video.is_indexing:
            raise ServiceError(
                409, "VIDEO_INDEXING_IN_PROGRESS", f"Video is already being indexed, video id: '{video.id}'."
            )
        video.callback_url = callback_url or video.callback_url
        self.indexing.start(video, callback_url)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Remove a video and everything known about it."""
        video = self._checked(request)
        video.removed = True
        self.indexing.abandon(video)
        return Response(status_code=204)

    async def id_by_external_id(self, request: Request) -> Response:
        """Answer the id of the newest video that the uploader calls so."""
        self.access.check(request, "Reader")
        external_id = request.query_params.get("externalId")
        if not external_id:
            raise ServiceError(400, "INVALID_INPUT", "The external id is required.")
        for video in self.library.newest_first():
            if self._item(video)["externalId"] == external_id:
                return answer(video.id)
        raise ServiceError(404, "VIDEO_NOT_FOUND", "Video not found.")

    def _checked(self, request: Request) -> Video:
        video_id = request.path_params["video_id"]
        self.access.check(request, "Contributor", video_id)
        return self._find(video_id)

    def _find(self, video_id: str) -> Video:
        video = self.library.find(video_id)
        if video is None:
            raise ServiceError(404, "BREAKDOWN_NOT_FOUND", f"Video/Project '{video_id}' was not found.")
        if video.removed:
            raise ServiceError(400, "VIDEO_REMOVED", "Video was removed.")
        return video

    def _index(self, video: Video, language: str | None = None) -> JsonObject:
        return insights.present(video, self.access.account_id, self.clock(), language)

    def _item(self, video: Video) -> JsonObject:
        return listing.item(video, self._index(video))


def _selection(request: Request) -> Selection:
    query = request.query_params
    included, excluded = (
        frozenset(name.strip().lower() for name in query.get(parameter, "").split(",") if name.strip())
        for parameter in ("includedInsights", "excludedInsights")
    )
    if included and excluded:
        raise ServiceError(
            400, "INVALID_INPUT", "Pass either includedInsights or excludedInsights, not both of them."
        )
    return Selection(
        included,
        excluded,
        _flag(request, "includeSummarizedInsights"),
        _flag(request, "includeStreamingUrls"),
    )


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name) or "true"
    if text.lower() not in ("true", "false"):
        raise ServiceError(400, "INVALID_INPUT", f"The parameter '{name}' must be true or false.")
    return text.lower() == "true"

"""Reading an upload: the media, which comes by URL or as a form, and what the uploader says about it.

Separate, because an upload has rules that no other operation has (lengths, exactly one source of media).
Parameters that the service does not know are ignored without a word, as the real one does: a client that
writes `callback_url` waits for ever. The values of presets and languages are not checked.
"""

from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from emulators.framework.outbound import Outbound
from emulators.video_indexer.errors import ServiceError
from emulators.video_indexer.insights import NAME_LENGTH
from emulators.video_indexer.library import Given
from emulators.video_indexer.outbound import check_callback_url, fetch

_MAX_QUERY: Final = 4096  # the limit of 6144 for the whole URL cannot be reached without it


def described(request: Request) -> Given:
    """What the request says about the video; ServiceError 400 for what the service would not take."""
    if len(request.url.query) > _MAX_QUERY:
        raise ServiceError(400, "URI_TOO_LONG", "The query string of the request is too long.")
    query = request.query_params
    name = query.get("name")
    if not name:
        raise ServiceError(400, "INVALID_INPUT", "The video name is required.")
    if len(name) > NAME_LENGTH:
        raise ServiceError(
            400, "VIDEO_NAME_TOO_LONG", f"The video name has more than {NAME_LENGTH} characters."
        )
    privacy = query.get("privacy")
    if privacy is not None and privacy not in ("Private", "Public"):
        raise ServiceError(400, "INVALID_INPUT", "The privacy must be 'Private' or 'Public'.")
    return Given(
        name=name,
        description=query.get("description"),
        partition=query.get("partition"),
        external_id=query.get("externalId"),
        external_url=query.get("externalUrl"),
        metadata=query.get("metadata"),
        privacy=privacy,
        language=query.get("language"),
        indexing_preset=query.get("indexingPreset"),
        streaming_preset=query.get("streamingPreset"),
    )


def callback_url(request: Request) -> str | None:
    """Where to send the callback of what this request starts; ServiceError 400 where it may not go."""
    url = request.query_params.get("callbackUrl") or None
    if url is not None:
        check_callback_url(url)
    return url


async def media(request: Request, outbound: Outbound) -> bytes:
    """The bytes to index. Fetched at once, where the real service fetches later."""
    url = request.query_params.get("videoUrl")
    file = await _file(request)
    if (url is None) == (file is None):
        raise ServiceError(400, "INVALID_INPUT", "Pass either a videoUrl or the file as a multipart form.")
    content = file if url is None else await fetch(outbound, url)
    if not content:
        raise ServiceError(400, "INPUT_FILE_EMPTY", "The file is empty.")
    return content


async def _file(request: Request) -> bytes | None:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return None
    try:
        async with request.form() as form:
            for part in form.values():
                if isinstance(part, UploadFile):
                    return await part.read()
    except HTTPException as error:
        raise ServiceError(400, "INVALID_INPUT", "The multipart form cannot be read.") from error
    return None

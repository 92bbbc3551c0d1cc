"""Where the emulator sends to: callbacks, and the fetching of media by URL.

Separate, because it is started on developers' machines and must not become a way to reach other people's.
Media is fetched from loopback hosts only. Callbacks go to any HTTPS address, as the real service requires,
and over plain HTTP to loopback hosts, as it does not.
"""

import httpx

from emulators.framework.outbound import Outbound, is_loopback, split
from emulators.video_indexer.errors import ServiceError


async def fetch(outbound: Outbound, url: str) -> bytes:
    """The media at `url`; ServiceError URL_UNREACHABLE where there is none to be had."""
    parts = split(url)
    if parts is None or parts.scheme not in ("http", "https") or not is_loopback(parts.hostname):
        raise _unreachable("the emulator fetches from loopback hosts only")
    try:
        response = await outbound.send("GET", url)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise _unreachable(type(error).__name__) from error
    if not response.is_success:
        raise _unreachable(f"it answers {response.status_code}")
    return response.content


def check_callback_url(url: str) -> None:
    """ServiceError INVALID_INPUT unless a callback may be sent to `url`."""
    parts = split(url)
    if parts is None or not parts.hostname:
        raise ServiceError(400, "INVALID_INPUT", "The callback URL is not a valid URL.")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return
    raise ServiceError(400, "INVALID_INPUT", "The callback URL must use HTTPS.")


def _unreachable(why: str) -> ServiceError:
    return ServiceError(400, "URL_UNREACHABLE", f"The video URL is not reachable: {why}.")

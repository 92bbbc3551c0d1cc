"""What the emulator sends into the world: callbacks, and the fetching of media by URL.

Separate, because here it is decided where it may send to: it is started on developers' machines and must
not become a way to reach other people's. Media is fetched from loopback hosts only. Callbacks go to any
HTTPS address, as the real service requires, and over plain HTTP to loopback hosts, as it does not.

It speaks to the transport itself, without a client around it: a client would log every URL with its query
string, in which uploaders put their secrets, and would follow proxies that loopback is never behind.
"""

import asyncio
import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from local.video_indexer.errors import ServiceError

_TIMEOUT_SECONDS: Final = 10


class Outbound:
    """Sends requests over `transport`; without one, over TCP with the authorities in SSL_CERT_FILE."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self._transport = transport

    async def send(self, method: str, url: str) -> httpx.Response:
        """The answer, read whole within ten seconds; redirects are not followed.

        Raises httpx.HTTPError, httpx.InvalidURL or TimeoutError.
        """
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport()
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            response = await self._transport.handle_async_request(httpx.Request(method, url))
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    async def close(self) -> None:
        """Close what is open."""
        if self._transport is not None:
            await self._transport.aclose()

    async def fetch(self, url: str) -> bytes:
        """The media at `url`; ServiceError URL_UNREACHABLE where there is none to be had."""
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not _is_loopback(parts.hostname):
            raise _unreachable("the emulator fetches from loopback hosts only")
        try:
            response = await self.send("GET", url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unreachable(type(error).__name__) from error
        if not response.is_success:
            raise _unreachable(f"it answers {response.status_code}")
        return response.content


def check_callback_url(url: str) -> None:
    """ServiceError INVALID_INPUT unless a callback may be sent to `url`."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        raise ServiceError(400, "INVALID_INPUT", "The callback URL is not a valid URL.")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)):
        return
    raise ServiceError(400, "INVALID_INPUT", "The callback URL must use HTTPS.")


def _unreachable(why: str) -> ServiceError:
    return ServiceError(400, "URL_UNREACHABLE", f"The video URL is not reachable: {why}.")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False

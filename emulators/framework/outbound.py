"""What an emulator sends into the world by itself: callbacks, deliveries, fetches.

It speaks to the transport itself, without a client around it: a client would log every URL with its query
string, in which people put their secrets, and would follow proxies that loopback is never behind.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httpx


class Outbound:
    """Sends requests over `transport`; without one, over TCP with the authorities in SSL_CERT_FILE."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None, timeout_seconds: float = 10) -> None:
        self._transport = transport
        self._timeout = timeout_seconds

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        """The answer, read whole before the timeout; redirects are not followed.

        Raises httpx.HTTPError, httpx.InvalidURL or TimeoutError.
        """
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport()
        request = httpx.Request(method, url, headers=headers, content=body)
        async with asyncio.timeout(self._timeout):
            response = await self._transport.handle_async_request(request)
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    async def close(self) -> None:
        """Close what is open."""
        if self._transport is not None:
            await self._transport.aclose()


def split(url: str) -> SplitResult | None:
    """The parts of `url`; None where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine by its own name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False

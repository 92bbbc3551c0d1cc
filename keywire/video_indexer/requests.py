"""One request to Video Indexer or Azure Resource Manager: sent, logged, and its failure classified.

Logged are the operation, the status, the service's request id and the duration; never the URL's query,
a header or a body. The token goes in the header: query strings end up in everybody's logs.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Final, Literal

import httpx

from keywire.telemetry import instruments, tracing
from keywire.video_indexer.errors import TransientError, from_response

TIMEOUT: Final = httpx.Timeout(connect=10.0, read=30.0, write=10.0, pool=30.0)
# An index of hours of video is many megabytes; an answer that only trickles must end all the same.
TOTAL_SECONDS: Final = 120.0

type Service = Literal["video-indexer", "resource-manager"]

logger: Final = logging.getLogger(__name__)


async def send(
    http: httpx.AsyncClient,
    operation: str,
    method: str,
    url: str,
    *,
    token: str,
    params: Mapping[str, str],
    json: Mapping[str, str] | None = None,
    service: Service = "video-indexer",
) -> httpx.Response:
    """Send a request and return its successful answer.

    Args:
        http: The client to send it with.
        operation: What is asked, for logs and figures.
        method: The HTTP method.
        url: Where to, without a query.
        token: The bearer token.
        params: The query.
        json: The body, or None.
        service: Who is asked, for figures.

    Raises:
        VideoIndexerError: There was no answer, or one that is no success.
    """
    # A new id for every attempt: the service's support finds the request by it.
    headers = {"Authorization": f"Bearer {token}", "x-ms-client-request-id": str(uuid.uuid4())}
    started = time.perf_counter()
    status: int | str = "none"
    try:
        # No method and no path: Application Insights would name the request by them, and so name the video.
        with tracing.span(operation, kind="client", attributes={"peer.service": service}) as request:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await http.request(
                    method, url, params=dict(params), headers=headers, json=json, timeout=TIMEOUT
                )
            tracing.note_answer(request, response.status_code)
        status = response.status_code
    except (httpx.TransportError, TimeoutError) as error:
        logger.warning("%s failed: %s", operation, type(error).__name__)
        raise TransientError(f"{operation} got no answer: {type(error).__name__}") from error
    except httpx.DecodingError as error:
        raise TransientError(f"{operation} got a body that can't be decoded") from error
    finally:
        seconds = time.perf_counter() - started
        instruments.request_duration.record(
            seconds, {"service": service, "operation": operation, "status": status}
        )
    logger.info(
        "%s status=%d request_id=%s ms=%.0f",
        operation,
        response.status_code,
        response.headers.get("x-ms-request-id", ""),
        seconds * 1000,
    )
    # httpx ties an answer to its stream and that to the answer: its body, which is read by now, would stay
    # until the garbage collector comes round to it.
    response.stream = httpx.ByteStream(b"")
    if response.is_success:
        return response
    raise from_response(operation, response.status_code, response.headers, response.content)

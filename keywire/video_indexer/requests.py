"""One request to Video Indexer or Azure Resource Manager: send it, log it, and classify a failure.

The log line has the operation, the status, the service's request id and the duration. It never has the query, a header
or a body. The token goes into the header, because query strings end up in the logs of proxies.
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
# The index of a long video is many megabytes. `TIMEOUT` is per read, so a slow answer could take forever without this.
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
        http: Sends the request.
        operation: The API operation's name, for logs and metrics.
        method: The HTTP method.
        url: The URL without a query.
        token: The bearer token.
        params: The query.
        json: The body, or None.
        service: The service, for metrics.

    Raises:
        VideoIndexerError: There was no answer, or its status is not 2xx.
    """
    # A new id for every attempt: Microsoft's support finds the request by it.
    headers = {"Authorization": f"Bearer {token}", "x-ms-client-request-id": str(uuid.uuid4())}
    started = time.perf_counter()
    status: int | str = "none"
    try:
        # The span has no method and no path: Application Insights would show the path, which has the video's id.
        with tracing.span(operation, kind="client", attributes={"peer.service": service}) as request:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await http.request(
                    method, url, params=dict(params), headers=headers, json=json, timeout=TIMEOUT
                )
            tracing.set_response_status(request, response.status_code)
        status = response.status_code
    except (httpx.TransportError, TimeoutError) as error:
        logger.warning("%s failed: %s", operation, type(error).__name__)
        raise TransientError(f"{operation} got no answer: {type(error).__name__}") from error
    except httpx.DecodingError as error:
        raise TransientError(f"{operation} got a body that cannot be decoded") from error
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
    # The answer and its stream refer to each other, so the body would stay in memory until the next run of the garbage
    # collector. It was read, so the stream is not needed any more.

    response.stream = httpx.ByteStream(b"")
    if response.is_success:
        return response
    raise from_response(operation, response.status_code, response.headers, response.content)

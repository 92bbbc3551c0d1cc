"""The clients of a process, against a storage service that fails once."""

import asyncio

from keywire.services.services import Services
from keywire.settings import Settings
from tests.support.environment import VIDEO_INDEXER
from tests.support.scripted_queue import scripted_queue
from tests.support.world import job

PATIENCE_SECONDS = 4.5  # the callback responds with 503 after this time


async def test_a_send_that_fails_once_succeeds_before_the_caller_gives_up() -> None:
    async with scripted_queue(["503 Server Busy", "201 Created"]) as service:
        environment = VIDEO_INDEXER | {"InsightsStorage": service.connection_string}
        services = Services(Settings.from_environment(environment))
        async with asyncio.timeout(PATIENCE_SECONDS), services.clients.queues:
            await services.job_queue.send(job())
        assert len(service.requests) == 2

"""The clients of a process, against a storage service that fails for a moment."""

import asyncio

from keywire.services.services import Services
from keywire.settings import Settings
from tests.support.environment import VIDEO_INDEXER
from tests.support.scripted_queue import scripted_queue
from tests.support.world import job

PATIENCE_SECONDS = 4.5  # what the callback gives storage before it answers 503


async def test_a_moment_of_trouble_in_storage_does_not_outlast_the_patience_of_a_caller() -> None:
    async with scripted_queue(["503 Server Busy", "201 Created"]) as service:
        environment = VIDEO_INDEXER | {"InsightsStorage": service.connection_string}
        services = Services(Settings.from_environment(environment))
        async with asyncio.timeout(PATIENCE_SECONDS), services.clients.queues:
            await services.job_queue.send(job())
        assert len(service.requests) == 2

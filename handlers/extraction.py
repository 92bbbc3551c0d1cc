"""The queues `extraction` and `backfill`: each message is a job, done, put off or given up.

Messages are bound as bytes: as a text, one that is no UTF-8 would not lie on the poison queue as it came.
"""

from typing import Final

import azure.functions as func

from handlers.shared import services
from keywire import jobs
from keywire.settings import CONNECTION

blueprint: Final = func.Blueprint()


@blueprint.function_name("extraction")
@blueprint.queue_trigger("message", jobs.QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def extract(message: func.QueueMessage) -> None:
    """Do a job that somebody waits for; whatever is raised makes the host try again."""
    await services.job_runner.run(message.get_body(), tries=message.dequeue_count or 1)


@blueprint.function_name("backfill")
@blueprint.queue_trigger("message", jobs.BACKFILL_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def backfill(message: func.QueueMessage) -> None:
    """Do a job that nobody waits for."""
    await services.backfill_runner.run(message.get_body(), tries=message.dequeue_count or 1)

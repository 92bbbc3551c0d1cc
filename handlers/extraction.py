"""The queue `extraction`: each message is a job, done or tried again."""

from typing import Final

import azure.functions as func

from handlers.shared import services
from keywire import jobs
from keywire.settings import CONNECTION

blueprint: Final = func.Blueprint()


@blueprint.function_name("extraction")
@blueprint.queue_trigger("message", jobs.QUEUE, CONNECTION)
async def extract(message: func.QueueMessage) -> None:
    """Do the job; whatever is raised makes the host try again, and at last use the poison queue."""
    await services.extraction.run(jobs.decode(message.get_body()))

"""The queue `extraction`: jobs for videos that a consumer is waiting for.

Messages are bound as bytes: bound as text, a message that is not UTF-8 would reach the poison queue altered.
"""

from typing import Final

import azure.functions as func

from handlers.process import services
from keywire.settings import CONNECTION
from keywire.storage.layout import EXTRACTION_QUEUE

blueprint: Final = func.Blueprint()


@blueprint.function_name("extraction")
@blueprint.queue_trigger("message", EXTRACTION_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def extraction(message: func.QueueMessage) -> None:
    """Run a job; an exception makes the host deliver it again."""
    await services.work.extraction_worker.process(message.get_body(), tries=message.dequeue_count or 1)

"""The queue `deliver-event-grid`: editions for the Event Grid topic. Registered only if a topic is configured."""

from typing import Final

import azure.functions as func

from handlers.process import services
from keywire.settings import CONNECTION
from keywire.storage.layout import EVENT_GRID_QUEUE

blueprint: Final = func.Blueprint()


@blueprint.function_name("deliver_event_grid")
@blueprint.queue_trigger("message", EVENT_GRID_QUEUE, CONNECTION, data_type=func.DataType.BINARY)
async def deliver_event_grid(message: func.QueueMessage) -> None:
    """Deliver an edition; an exception makes the host deliver the message again."""
    await services.work.event_grid_worker.process(message.get_body(), tries=message.dequeue_count or 1)

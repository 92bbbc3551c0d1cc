"""Queue output bindings: written after the function succeeded, before its trigger counts as done.

So a write that fails makes the run fail, and a message that triggered it comes back: outputs may be
written twice, never lost. The queue is created when it's missing; messages expire after the
service's seven days, as those of the real binding do.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from emulators.functions_host.bindings import QueueOutput
from emulators.functions_host.connections import QueueServices
from emulators.functions_host.functions import Function
from emulators.functions_host.host_json import MessageEncoding
from emulators.functions_host.messages import encode, output_bodies
from emulators.functions_host.worker import Outcome

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient


class QueueOutputs:
    """Writes what a run left in its queue outputs."""

    def __init__(self, services: QueueServices, encoding: MessageEncoding) -> None:
        self._services = services
        self._encoding: MessageEncoding = encoding

    async def write(self, function: Function, outcome: Outcome) -> None:
        """Write every message of a successful run, one after the other as the extension does."""
        values = dict(outcome.outputs)
        for binding in function.outputs:
            if not isinstance(binding, QueueOutput):
                continue
            value = outcome.value if binding.parameter == "$return" else values.get(binding.parameter)
            if value is None or value.value is None:
                continue
            queue = self._services.get(binding.connection).get_queue_client(binding.queue)
            for body in output_bodies(value):
                await send(queue, encode(body, self._encoding))


async def send(queue: "QueueClient", content: str) -> None:
    """Send a message as it is, and create the queue when it isn't there."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError  # noqa: PLC0415

    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):  # another instance was faster
            await queue.create_queue()
        await queue.send_message(content)

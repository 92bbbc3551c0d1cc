"""The services of one process, by function group.

Flex Consumption runs the HTTP functions together and every other function alone, so a process uses one group.
A group is imported at its first use: a callback after a cold start waits for the queue SDK only.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final

from keywire.jobs.poison import PoisonQueue
from keywire.jobs.queue import JobQueue
from keywire.services.clients import Clients
from keywire.settings import Settings
from keywire.storage import layout

if TYPE_CHECKING:
    from keywire.services.http import HttpServices
    from keywire.services.timers import TimerServices
    from keywire.services.work import WorkServices


class Services:
    """Everything that handlers call, for one process and one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self.clients: Final = Clients(settings)

    @cached_property
    def job_queue(self) -> JobQueue:
        """The queue of extraction jobs, for signals."""
        return JobQueue(self.clients.message_queue(layout.EXTRACTION_QUEUE))

    @cached_property
    def diagnostics_poison(self) -> PoisonQueue:
        """The queue for records of Video Indexer's log that could not be read or queued."""
        return PoisonQueue(self.clients.queue(layout.DIAGNOSTICS_POISON_QUEUE))

    @cached_property
    def http(self) -> "HttpServices":
        """What the other HTTP functions need."""
        from keywire.services.http import HttpServices  # noqa: PLC0415 - see the module

        return HttpServices(self.clients)

    @cached_property
    def work(self) -> "WorkServices":
        """What functions with a queue trigger need."""
        from keywire.services.work import WorkServices  # noqa: PLC0415 - see the module

        return WorkServices(self.clients)

    @cached_property
    def timers(self) -> "TimerServices":
        """What functions with a timer trigger need."""
        from keywire.services.timers import TimerServices  # noqa: PLC0415 - see the module

        return TimerServices(self.clients)

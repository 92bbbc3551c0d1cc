"""A queue and its poison queue for one test."""

from typing import Self

from local.storage import InsightsStorage


class OwnQueues:
    """The queues `name` and `name`-poison, which exist until the block ends."""

    def __init__(self, insights: InsightsStorage, name: str) -> None:
        self.queue, self.poison = insights.queue(name), insights.queue(f"{name}-poison")

    async def __aenter__(self) -> Self:
        await self.queue.create_queue()
        await self.poison.create_queue()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.queue.delete_queue()
        await self.poison.delete_queue()

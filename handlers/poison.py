"""Poison that the host wrote: taken over before it expires."""

import logging
from typing import Final

import azure.functions as func

from handlers.shared import services
from keywire import telemetry

# Daily: the host's own poison messages expire after seven days.
SCHEDULE: Final = "0 17 3 * * *"

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("keep_poison")
@blueprint.timer_trigger("timer", SCHEDULE, use_monitor=True)
async def keep_poison(timer: func.TimerRequest) -> None:
    """Take over what would be lost."""
    kept = await services.poison_keeper.run()
    await telemetry.flush()
    logger.info("poison kept=%d past_due=%s", kept, timer.past_due)

"""Poison messages that the Functions host wrote: a daily timer rewrites them before they expire."""

import logging
from typing import Final

import azure.functions as func

from handlers.process import services
from keywire.telemetry import instruments

# Daily: the host's own poison messages expire after seven days.
SCHEDULE: Final = "0 17 3 * * *"

logger: Final = logging.getLogger(f"keywire.{__name__}")
blueprint: Final = func.Blueprint()


@blueprint.function_name("keep_poison")
@blueprint.timer_trigger("timer", SCHEDULE, use_monitor=True)
async def keep_poison(timer: func.TimerRequest) -> None:
    """Rewrite messages that would expire."""
    kept = await services.timers.poison_keeper.rewrite()
    await instruments.flush()
    logger.info("poison kept=%d past_due=%s", kept, timer.past_due)

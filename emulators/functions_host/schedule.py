"""NCRONTAB: when a timer function is due. Pure.

Six fields, seconds first (five are taken as starting at second 0), in UTC; day of month and day of week must
both match, where crontab takes either. Parsed by `cronsim`. Left out: the time span form (`00:05:00`), which
only an App Service plan has, and `WEBSITE_TIME_ZONE`, which Flex Consumption doesn't have.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from emulators.functions_host.errors import HostStartError


@dataclass(frozen=True, slots=True)
class Schedule:
    """A checked expression."""

    expression: str

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Check an expression.

        Raises:
            HostStartError: It isn't NCRONTAB.
        """
        try:
            CronSim(expression, datetime.now(UTC))
        except CronSimError as error:
            raise HostStartError(f"The schedule {expression!r} is not NCRONTAB: {error}") from error
        return cls(expression)

    def after(self, moment: datetime) -> datetime:
        """The first time it's due after `moment` (aware)."""
        times = CronSim(self.expression, moment.astimezone(UTC))
        times.day_and = True
        return next(times)

    def interval(self, moment: datetime) -> timedelta:
        """The time between the next two occurrences after `moment`."""
        first = self.after(moment)
        return self.after(first) - first

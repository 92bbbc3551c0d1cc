"""Times as the service writes and reads them.

Separate because .NET's habit matters to those who parse it: the fraction has as many digits as it needs
and is absent when zero. The service goes to 100 ns, the emulator to the microsecond.
"""

from datetime import UTC, datetime


def written(moment: float) -> str:
    """Unix seconds as RFC 3339, for example `2024-07-05T13:14:54.5+00:00`."""
    time = datetime.fromtimestamp(moment, UTC)
    fraction = f".{time.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{time:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"


def read(text: str) -> float:
    """RFC 3339 as Unix seconds; without an offset it is UTC. ValueError where it is no time."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

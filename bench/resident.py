"""Resident memory of another process, as Linux tells it in `/proc`, in MB."""

import re
from pathlib import Path


def resident(pid: int) -> float:
    """What it has now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most that it had since its start, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc tells no {name}")
    return int(found[1]) / 1000

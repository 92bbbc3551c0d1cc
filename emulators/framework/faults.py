"""Faults on request: those that have not happened yet, each with how often it still is to.

Separate from what a fault does, which is the emulator's own. Faults apply in the order in which they were
set, each to the next `count` requests that it is meant for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Counted(Protocol):
    """A fault."""

    @property
    def count(self) -> int:
        """How often it is to happen."""


@dataclass(slots=True)
class Pending[F: Counted]:
    """A fault and how often it is still to happen."""

    fault: F
    remaining: int


class FaultList[F: Counted]:
    """The faults that have not yet happened, and those that have."""

    def __init__(self) -> None:
        self.pending: list[Pending[F]] = []
        self._set: list[Pending[F]] = []

    @property
    def happened(self) -> list[tuple[F, int]]:
        """Each fault that happened and how often, in the order in which they were set."""
        counts = [(entry.fault, entry.fault.count - entry.remaining) for entry in self._set]
        return [(fault, count) for fault, count in counts if count]

    def add(self, fault: F) -> None:
        """Put `fault` behind the others."""
        entry = Pending(fault, fault.count)
        self.pending.append(entry)
        self._set.append(entry)

    def clear(self) -> None:
        """Let those that have not happened never happen."""
        self.pending.clear()

    def take(self, is_meant: Callable[[F], bool]) -> F | None:
        """The first fault that `is_meant`, used up by one."""
        for entry in self.pending:
            if is_meant(entry.fault):
                entry.remaining -= 1
                if entry.remaining <= 0:
                    self.pending.remove(entry)
                return entry.fault
        return None

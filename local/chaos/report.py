"""What a run says in the end: its figures as JSON, and the findings for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.chaos.audit import Audit
from local.chaos.fault_kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a run.

    Attributes:
        videos: How many were uploaded.
        audit: What was found of documents and events.
        faults: How often each kind happened.
        seconds: How long it took, from the first upload to quiet.
        leaks: Where secrets were found.
        unmet: Kinds that had to happen and did not.
    """

    videos: int
    audit: Audit
    faults: Mapping[Kind, int]
    seconds: float
    leaks: tuple[str, ...] = ()
    unmet: tuple[Kind, ...] = ()

    @property
    def findings(self) -> list[str]:
        """All that is wrong, a line each."""
        unmet = [f"the fault {kind} never happened" for kind in self.unmet]
        return [*self.audit.findings, *self.leaks, *unmet]

    def figures(self) -> dict[str, Any]:
        """As they go into a file."""
        audit = self.audit
        return {
            "videos": self.videos,
            "documents": audit.documents,
            "events_expected": audit.events_expected,
            "events_lost": audit.events_lost,
            "events_foreign": audit.events_foreign,
            "ids_with_differing_bytes": audit.ids_with_differing_bytes,
            "duplicate_deliveries": audit.duplicate_deliveries,
            "sequence_gaps": audit.sequence_gaps,
            "poison_unexpected": audit.poison_unexpected,
            "faults": {kind.value: self.faults.get(kind, 0) for kind in Kind},
            "seconds": round(self.seconds, 1),
        }

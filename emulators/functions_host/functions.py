"""The functions of an app and the process groups they run in.

On Flex Consumption all HTTP functions scale together and every other function scales alone, on instances of
its own: so a group is "http" or "function:NAME", and each group is one process here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emulators.functions_host.bindings import (
    EventHubTrigger,
    HttpTrigger,
    Output,
    QueueTrigger,
    Trigger,
    UnsupportedBinding,
)
from emulators.functions_host.bindings import output as parse_output
from emulators.functions_host.bindings import trigger as parse_trigger

HTTP_GROUP: Final = "http"


@dataclass(frozen=True, slots=True)
class Function:
    """One function as the worker indexed it; `id` is the worker's."""

    name: str
    id: str
    trigger: Trigger
    outputs: tuple[Output, ...] = ()

    @property
    def group(self) -> str:
        """The process group that runs it."""
        return HTTP_GROUP if isinstance(self.trigger, HttpTrigger) else f"function:{self.name}"

    @property
    def unsupported(self) -> list[str]:
        """The types of its bindings that this host doesn't serve."""
        return [
            binding.type
            for binding in (self.trigger, *self.outputs)
            if isinstance(binding, UnsupportedBinding)
        ]

    def describe(self) -> dict[str, object]:
        """What a supervisor wants to know, ready for JSON."""
        facts: dict[str, object] = {
            "name": self.name,
            "trigger": self.trigger.type,
            "group": self.group,
            "supported": not self.unsupported,
        }
        if isinstance(self.trigger, QueueTrigger):
            facts["queue"] = self.trigger.queue
        if isinstance(self.trigger, EventHubTrigger):
            facts["eventHub"] = self.trigger.hub
        return facts


def parse(name: str, function_id: str, raw_bindings: Sequence[str], settings: Mapping[str, str]) -> Function:
    """Build a function from the worker's metadata (`raw_bindings` are JSON texts)."""
    bindings = [json.loads(raw) for raw in raw_bindings]
    triggers = [raw for raw in bindings if str(raw["type"]).lower().endswith("trigger")]
    return Function(
        name=name,
        id=function_id,
        trigger=parse_trigger(triggers[0], settings),
        outputs=tuple(parse_output(raw, settings) for raw in bindings if raw not in triggers),
    )


def groups(functions: Iterable[Function]) -> list[str]:
    """The groups of an app, "http" first: it also answers `/admin`, so every app has it."""
    return list(dict.fromkeys([HTTP_GROUP, *(function.group for function in functions)]))

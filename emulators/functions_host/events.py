"""Events of an Event Hub without the hub: what a run of the function is given for them.

Pure, as `messages` is for queues. The names of the metadata are those of the Event Hubs extension 5.x
(`EventHubTriggerInput`); the worker tells a batch from a single event by `SystemPropertiesArray`. What only a
hub knows is made up: events count from 0 in each batch, in partition 0.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulators.functions_host import datums
from emulators.functions_host.bindings import EventHubTrigger
from emulators.functions_host.datums import Datum


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run is given."""

    inputs: Sequence[tuple[str, Datum]]
    metadata: Mapping[str, Datum]


def batches(trigger: EventHubTrigger, bodies: Sequence[bytes]) -> list[Batch]:
    """The runs for events that come together: one for all, or where the cardinality is one, one for each."""
    enqueued = datetime.now(UTC).isoformat()
    system = [
        {"SequenceNumber": number, "Offset": str(number), "EnqueuedTimeUtc": enqueued, "PartitionKey": None}
        for number in range(len(bodies))
    ]
    context = {"PartitionContext": _json(_partition(trigger))}
    if trigger.many:
        metadata = context | {
            "SystemPropertiesArray": _json(system),
            "PropertiesArray": _json([{} for _ in bodies]),
            **{f"{name}Array": _json([each[name] for each in system]) for name in system[0]},
        }
        data = datums.octets_list(bodies) if trigger.binary else datums.string_list(_texts(bodies))
        return [Batch([(trigger.parameter, data)], metadata)]
    return [
        Batch(
            [(trigger.parameter, datums.octets(body) if trigger.binary else datums.string(text))],
            context
            | {"SystemProperties": _json(each), "Properties": _json({})}
            | {name: _json(value) for name, value in each.items()},
        )
        for body, text, each in zip(bodies, _texts(bodies), system, strict=True)
    ]


def _partition(trigger: EventHubTrigger) -> dict[str, str]:
    return {"PartitionId": "0", "EventHubName": trigger.hub, "ConsumerGroup": trigger.consumer_group}


def _texts(bodies: Sequence[bytes]) -> list[str]:
    return [body.decode(errors="replace") for body in bodies]


def _json(value: Any) -> Datum:
    return datums.json_text(json.dumps(value))

"""The functions with a queue trigger: each passes a message to the worker of its queue."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import handlers
from handlers import backfill, deliver_event_grid, extraction, rematch
from keywire.services.services import Services
from keywire.services.work import WorkServices
from tests.support.invocations import queue_message

# Each function, its queue, and the worker in `keywire.services.work`.
FUNCTIONS = {
    "extraction": (extraction.extraction, "extraction", "extraction_worker"),
    "backfill": (backfill.backfill, "backfill", "backfill_worker"),
    "backfill_pages": (backfill.backfill_pages, "backfill-pages", "backfill_pages_worker"),
    "rematch": (rematch.rematch, "rematch", "rematch_worker"),
    "deliver_event_grid": (
        deliver_event_grid.deliver_event_grid,
        "deliver-event-grid",
        "event_grid_worker",
    ),
}
every_function = pytest.mark.parametrize(("function", "queue", "worker"), FUNCTIONS.values(), ids=FUNCTIONS)


@dataclass
class RecordingWorker:
    """A worker that records its messages and fails if told to. It does not read them."""

    failure: Exception | None = None
    processed: list[tuple[bytes, int]] = field(default_factory=list)

    async def process(self, body: bytes, *, tries: int) -> None:
        self.processed.append((body, tries))
        if self.failure is not None:
            raise self.failure


def use(worker: RecordingWorker, services: Services, name: str) -> None:
    assert hasattr(WorkServices, name)
    vars(services.work)[name] = worker


@every_function
async def test_a_message_reaches_its_worker_as_bytes_with_its_delivery_count(
    services: Services, function: Any, queue: str, worker: str
) -> None:
    recording = RecordingWorker()
    use(recording, services, worker)
    await function(queue_message(b"\xff not UTF-8", dequeue_count=3))
    await function(queue_message(b"{}", dequeue_count=None))
    assert recording.processed == [(b"\xff not UTF-8", 3), (b"{}", 1)]


@every_function
async def test_a_failure_of_the_worker_reaches_the_host(
    services: Services, function: Any, queue: str, worker: str
) -> None:
    use(RecordingWorker(RuntimeError("the process is about to end")), services, worker)
    with pytest.raises(RuntimeError, match="about to end"):
        await function(queue_message(b"{}"))


@every_function
def test_a_function_is_bound_to_its_queue_and_gets_bytes(function: Any, queue: str, worker: str) -> None:
    (binding,) = function._function.get_bindings_dict()["bindings"]
    assert (binding["queueName"], binding["connection"]) == (queue, "InsightsStorage")
    assert binding["dataType"] == func.DataType.BINARY


def test_every_function_with_a_queue_trigger_is_tested_here() -> None:
    app = func.FunctionApp()
    for path in Path(handlers.__file__).parent.glob("*.py"):
        blueprint = getattr(import_module(f"handlers.{path.stem}"), "blueprint", None)
        if blueprint is not None:
            app.register_blueprint(blueprint)
    triggered = {
        function.get_function_name()
        for function in app.get_functions()
        if (trigger := function.get_trigger()) and trigger.get_binding_name() == "queueTrigger"
    }
    assert triggered == FUNCTIONS.keys()

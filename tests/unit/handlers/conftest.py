"""The handlers of one process, on storage in memory."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from keywire.services.services import Services
from keywire.settings import Settings
from keywire.telemetry import instruments, otlp
from tests.support.environment import COMPLETE
from tests.support.memory_storage import MemoryStorage

# `handlers.process` reads the environment when it is imported.
with pytest.MonkeyPatch.context() as environment:
    environment.delenv(otlp.ENDPOINT, raising=False)
    for _name, _value in COMPLETE.items():
        environment.setenv(_name, _value)
    from handlers import process


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def start_app(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Services]:
    """Return a function that resets the process's services to those of a start with these settings."""

    def start(**settings: str) -> Services:
        started = Services(Settings.from_environment(COMPLETE | settings))
        vars(started.clients).update(queues=storage, blobs=storage)
        monkeypatch.setattr(process.services, "__dict__", vars(started))
        return started

    return start


@pytest.fixture
def services(start_app: Callable[..., Services]) -> Services:
    """The services of a process with no optional setting."""
    return start_app()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, ...]]:
    """What the handlers count, by the instrument's name and the values of the attributes."""
    counts: Counter[tuple[str, ...]] = Counter()

    class RecordingCounter:
        def __init__(self, name: str) -> None:
            self._name = name

        def add(self, amount: int, attributes: dict[str, str]) -> None:
            counts[self._name, *attributes.values()] += amount

    for name in ("signals", "poison"):
        monkeypatch.setattr(instruments, name, RecordingCounter(name))
    return counts


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for each time that a handler flushes the metrics."""
    flushed: list[Any] = []

    async def flush() -> None:
        flushed.append(None)

    monkeypatch.setattr(instruments, "flush", flush)
    return flushed

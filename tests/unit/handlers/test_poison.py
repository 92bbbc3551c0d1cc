"""The timer that rewrites the host's poison messages."""

import logging
from typing import Any

import pytest

from handlers.poison import keep_poison
from keywire.services.services import Services
from tests.support.invocations import timer


class ThreeMessages:
    """A poison keeper that rewrites three messages at each run, from no queue."""

    async def rewrite(self) -> int:
        return 3


@pytest.mark.parametrize("past_due", [False, True])
async def test_a_run_logs_how_many_messages_it_rewrote_and_flushes_the_metrics(
    services: Services, flushes: list[Any], caplog: pytest.LogCaptureFixture, past_due: bool
) -> None:
    caplog.set_level(logging.INFO)
    vars(services.timers)["poison_keeper"] = ThreeMessages()
    await keep_poison(timer(past_due=past_due))
    assert f"poison kept=3 past_due={past_due}" in caplog.text
    assert len(flushes) == 1

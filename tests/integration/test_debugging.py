"""`.vscode/launch.json`: F5 starts the stack, and breakpoints stop in every process."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from tests.support.debug_adapter import Debugger, debug_adapter
from tests.support.waiting import eventually

HANDLER = PROJECT / "handlers" / "callback.py"
EXTRACTION = PROJECT / "handlers" / "extraction.py"


def configuration(name: str) -> dict[str, Any]:
    """Return a configuration as the editor passes it to the debugger, without its terminal."""
    text = (PROJECT / ".vscode" / "launch.json").read_text("utf-8")
    known = json.loads(text.replace("${workspaceFolder}", str(PROJECT)))["configurations"]
    (found,) = [each for each in known if each["name"].startswith(name)]
    return {**found, "console": "internalConsole", "redirectOutput": True}


def line_of(file: Path, code: str) -> int:
    (number,) = [n for n, text in enumerate(file.read_text("utf-8").splitlines(), start=1) if code in text]
    return int(number)


@pytest.mark.skipif(os.name != "posix", reason="ends the stack with a signal")
async def test_breakpoints_stop_in_every_process_of_the_stack(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    breakpoints = {
        HANDLER: line_of(HANDLER, "job = read_callback("),
        EXTRACTION: line_of(EXTRACTION, "await services.work.extraction_worker.process("),
    }
    stack = configuration("Stack")
    variables = tmp_path / ".env"
    stack["args"] = [str(variables) if each == "tests/.env" else each for each in stack["args"]]
    async with debug_adapter(port), httpx.AsyncClient() as http:
        debugger = Debugger(breakpoints)

        async def started() -> bool:
            try:
                await debugger.launch(port, stack)
            except OSError:
                return False
            return True

        async with debugger:
            await eventually(started, "the adapter listens")
            text = await eventually(
                lambda: variables.exists() and variables.read_text("utf-8"),
                "the stack is up",
                lambda: debugger.output,
                seconds=90,
            )
            known = dict(line.split("=", 1) for line in text.splitlines())
            answer = await http.post(
                f"{known['KEYWIRE_URL']}/api/video-indexer/callback",
                params={"code": known["KEYWIRE_KEY"], "id": "never-there", "state": "Processed"},
                timeout=30,
            )
            assert answer.status_code == 202
            await eventually(
                lambda: {"_queue", "extraction"} <= set(debugger.stops),
                "both stop",
                lambda: f"{debugger.stops}\n{debugger.output}",
                seconds=40,
            )
            os.kill(debugger.pid, signal.SIGTERM)
            await eventually(debugger.ended.is_set, "the stack ends", lambda: debugger.output)
    assert not variables.exists()

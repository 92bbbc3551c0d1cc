"""Child processes: what they say is read, whatever it is."""

import asyncio
import io

import pytest

from emulators.framework import processes
from emulators.framework.processes import ChildProcess, inherited, python


async def test_a_line_that_is_too_long_costs_nothing_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Least of all the child, which waits for ever for somebody to read what it writes."""
    monkeypatch.setattr(processes, "LINE_BYTES", 1000)
    code = (
        "import sys; print('ready', flush=True); print('x' * 500_000, file=sys.stderr);"
        "print('y' * 500_000, file=sys.stderr); print('done', file=sys.stderr)"
    )
    log = io.StringIO()
    child = ChildProcess(name="chatty", command=python("-c", code), environment=inherited(), log=log)
    await child.start(ready=["ready"])
    assert child._process is not None
    try:
        async with asyncio.timeout(20):
            await child._process.wait()
    finally:
        await child.stop(seconds=1)
    assert log.getvalue().splitlines()[-1] == "[chatty] done"
    assert "(a line of more than 1000 bytes)" in log.getvalue()

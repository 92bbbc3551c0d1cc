"""When a process stops: asked by a signal, or by the end of its standard input when a supervisor holds it.

Both only set an event: whoever serves stops taking work, and what runs may end.
"""

import asyncio
import os
import signal
import threading
from contextlib import suppress
from typing import Final

DRAIN_SECONDS: Final = 10.0


def stop_with_signals(stop: asyncio.Event) -> None:
    """Set `stop` at SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))


def stop_with_stdin(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends, which it does when the parent is killed."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        with suppress(RuntimeError):  # the loop is closed: the process is ending anyway
            loop.call_soon_threadsafe(stop.set)

    # The descriptor and not sys.stdin, whose lock a daemon thread would hold while the interpreter ends.
    threading.Thread(target=watch, name="stdin", daemon=True).start()


async def drain[T](tasks: set[asyncio.Task[T]]) -> None:
    """Let `tasks` end for `DRAIN_SECONDS`, then cancel the rest."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)

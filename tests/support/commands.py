"""Running one of the project's commands as its user does."""

import asyncio
import sys

from emulators.framework.checkout import PROJECT


async def run_module(module: str, *arguments: str) -> tuple[int, str]:
    """The exit code of `python -m module`, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *arguments),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()

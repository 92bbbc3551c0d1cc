"""The project's commands: their parsers, and running one as its user does."""

import argparse
import asyncio
import importlib
import importlib.util
import sys

from emulators.framework.checkout import PROJECT


def parser_of(module: str) -> argparse.ArgumentParser:
    """Return the parser of the command that `python -m module` runs."""
    spec = importlib.util.find_spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    parser: argparse.ArgumentParser = importlib.import_module(
        f"{module}.__main__" if is_package else module
    ).parser()
    return parser


async def run_module(module: str, *arguments: str) -> tuple[int, str]:
    """Run `python -m module` in the checkout; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *arguments),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()

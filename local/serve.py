"""`python3 dev.py stack`: the local stack by itself, kept up until Ctrl-C."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from emulators.azurite import NodeNotFoundError
from emulators.framework.processes import ProcessFailedError
from local.stack import LocalStack

# Core Tools' own port; it asks for no key.
CORE_TOOLS_URL: Final = "http://localhost:7071"
CORE_TOOLS_CALLBACK_URL: Final = f"{CORE_TOOLS_URL}/api/video-indexer/callback?code="


def show_addresses(stack: LocalStack, console: Console) -> None:
    """Print where everything is, and a callback to try."""
    callback_url = stack.callback_url if stack.with_host else CORE_TOOLS_CALLBACK_URL
    lines = {
        "callback URL": callback_url,
        "Video Indexer and Resource Manager": stack.video_indexer_url,
        "Video Indexer account": f"{stack.emulator.account_id} in {stack.emulator.location}",
        "Event Grid topic": stack.event_grid_topic_endpoint,
        "blobs": stack.azurite.blob_endpoint,
        "queues": stack.azurite.queue_endpoint,
        "identity endpoint": stack.identity_url,
        "certificate authority": str(stack.certificates.authority),
    }
    width = max(map(len, lines))
    for name, said in lines.items():
        console.print(f"{name:<{width}}  {said}", markup=False, highlight=False, soft_wrap=True)
    console.print("\na callback, as Video Indexer sends it (put in the id of a video):", markup=False)
    console.print(
        f"curl -X POST '{callback_url}&id=VIDEO_ID&state=Processed'",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print("\nCtrl-C ends it all", style="dim")


def write_settings(stack: LocalStack, file: Path) -> None:
    """Write what Core Tools need to run the app."""
    file.write_text(json.dumps(stack.core_tools_settings(), indent=2) + "\n")


def environment(stack: LocalStack) -> dict[str, str]:
    """The variables by which the examples of the documents and `tests/requests.http` find the stack."""
    return {
        "KEYWIRE_URL": stack.host.url if stack.with_host else CORE_TOOLS_URL,
        "KEYWIRE_KEY": stack.function_key if stack.with_host else "",
        "VIDEO_INDEXER_URL": stack.video_indexer_url,
        # What curl, and what Python's clients, trust.
        "CURL_CA_BUNDLE": str(stack.certificates.authority),
        "SSL_CERT_FILE": str(stack.certificates.authority),
    }


@contextlib.contextmanager
def environment_file(stack: LocalStack, file: Path | None) -> Iterator[None]:
    """Keep those variables in a file, a line each, for as long as the stack is up."""
    if file is not None:
        file.write_text("".join(f"{name}={value}\n" for name, value in environment(stack).items()), "utf-8")
    try:
        yield
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


def run(work: Coroutine[Any, Any, int]) -> int:
    """Run a command on the stack; its exit code, or the usual one when it is ended by Ctrl-C or SIGTERM.

    Either way what it started is ended in order: both cancel the work, and the stack's exit does the rest.
    """
    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    except (ProcessFailedError, NodeNotFoundError, OSError) as error:
        print(str(error) or type(error).__name__, file=sys.stderr)  # a timeout has no words
        return 2


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # Windows has no such signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


async def until_interrupted() -> None:
    """Wait for Ctrl-C or SIGTERM, which from here on are the expected end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    await ended.wait()


async def _serve(*, quiet: bool, settings: Path | None, variables: Path | None) -> int:
    console = Console()
    async with LocalStack(log=None if quiet else sys.stderr, with_host=settings is None) as stack:
        if settings is not None:
            write_settings(stack, settings)
            console.print(f"{settings} is written: `func start` runs the app", markup=False)
        with environment_file(stack, variables):
            show_addresses(stack, console)
            await until_interrupted()
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="dev.py stack", description=__doc__)
    found.add_argument("--quiet", action="store_true", help="no log lines of the processes")
    found.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="leave the app to Core Tools: write what `func start` needs, to local.settings.json in general",
    )
    found.add_argument(
        "--environment",
        metavar="FILE",
        type=Path,
        help="keep addresses and key there as variables: tests/.env is for tests/requests.http",
    )
    return found


def main() -> int:
    """Parse the command line and run."""
    arguments = parser().parse_args()
    return run(_serve(quiet=arguments.quiet, settings=arguments.settings, variables=arguments.environment))


if __name__ == "__main__":
    sys.exit(main())

"""`python3 dev.py stack`: the local stack by itself, kept up until Ctrl-C."""

import argparse
import asyncio
import contextlib
import signal
import sys

from rich.console import Console

from local.processes import ProcessFailedError
from local.stack import LocalStack


def show_addresses(stack: LocalStack, console: Console) -> None:
    """Print where everything is, and a callback to try."""
    lines = {
        "callback URL": stack.callback_url,
        "Video Indexer and Resource Manager": stack.video_indexer_url,
        "Video Indexer account": f"{stack.emulator.account_id} in {stack.emulator.location}",
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
        f"curl -X POST '{stack.callback_url}&id=VIDEO_ID&state=Processed'",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print("\nCtrl-C ends it all", style="dim")


async def until_interrupted() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    await ended.wait()


async def _run(*, quiet: bool) -> None:
    console = Console()
    async with LocalStack(log=None if quiet else sys.stderr) as stack:
        show_addresses(stack, console)
        await until_interrupted()


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="dev.py stack", description=__doc__)
    parser.add_argument("--quiet", action="store_true", help="no log lines of the processes")
    arguments = parser.parse_args()
    try:
        asyncio.run(_run(quiet=arguments.quiet))
    except KeyboardInterrupt:
        return 130
    except (ProcessFailedError, OSError) as error:
        print(f"stack: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

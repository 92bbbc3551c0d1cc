"""The host's log: one line to a record on standard error, and a standard output that only the host writes.

An exception becomes part of its line: type, text, innermost frames. What the app prints goes to standard
error, where its log is.
"""

import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

_FRAMES = 3
# Requests with their addresses, and a line for each token, are not what the log is for.
_QUIET = (
    "azure.core.pipeline.policies.http_logging_policy",
    "azure.identity",
    "uvicorn.error",
    "asyncio",
)


class OneLineFormatter(logging.Formatter):
    """`time level logger message`, in UTC."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without line breaks."""
        return " | ".join(line for line in super().format(record).splitlines() if line.strip())

    def formatException(  # noqa: N802 - the base class's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """The exception and where it was raised, innermost first."""
        _, error, trace = ei
        frames = [
            f"{frame.filename}:{frame.lineno} in {frame.name}"
            for frame in reversed(traceback.extract_tb(trace, limit=-_FRAMES))
        ]
        return f"{type(error).__name__}: {error} ({' < '.join(frames)})"


def configure(environment: Mapping[str, str]) -> None:
    """Log to standard error at `FUNCTIONS_HOST_LOG_LEVEL` (INFO)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter())
    logging.basicConfig(level=environment.get("FUNCTIONS_HOST_LOG_LEVEL", "INFO").upper(), handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("azure.functions").addFilter(_not_said_elsewhere)


def _not_said_elsewhere(record: logging.LogRecord) -> bool:
    """Drop what the worker says and this host says better: a failed run, and all bindings in one line."""
    message = str(record.msg)
    return message != "Native invocation failed" and "Successfully indexed function app." not in message


def claim_stdout() -> TextIO:
    """Take standard output for the host's own line; everything else written to it goes to standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return own

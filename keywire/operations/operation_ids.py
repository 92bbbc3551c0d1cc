"""The ids of operations that go page by page: light, for an HTTP process reads them before anything else."""

import re
from typing import Annotated, Final

import msgspec

OperationId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
_OPERATION_ID: Final = re.compile(r"[0-9a-f]{32}")


def is_operation_id(text: str) -> bool:
    """Whether `text` has the form of an operation's id, safe in a blob path."""
    return _OPERATION_ID.fullmatch(text) is not None

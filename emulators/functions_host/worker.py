"""Microsoft's Python worker runtime, driven in this process as the real host drives it over gRPC.

`azure_functions_runtime` is the package that runs in Azure between the host and an app: it imports
`function_app.py`, checks every binding against its annotation, converts inputs and outputs. An app that it
refuses here is refused there. Its messages are protobuf classes in Azure; it only builds and reads them as
plain objects, so plain objects stand in for them.

One app per process: the runtime keeps its registry in a module. Left out: functions that stream HTTP
(`azurefunctions-extensions-http-fastapi`) and SDK-type bindings, which the runtime's protobuf-free entry
leaves out itself.
"""

import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from azure_functions_runtime import functions_metadata_request, start_threadpool_executor, worker_init_request
from azure_functions_runtime.native_invocation import invocation_request_native

from emulators.functions_host.datums import Datum
from emulators.functions_host.errors import AppNotIndexedError
from emulators.functions_host.functions import Function, parse


class _BindingInfo(SimpleNamespace):
    # BindingInfo.Direction and BindingInfo.DataType of the host's FunctionRpc.proto.
    in_, out, inout = 0, 1, 2
    undefined, string, binary, stream = 0, 1, 2, 3


class _StatusResult(SimpleNamespace):
    Failure, Success, Cancelled = 0, 1, 2


_PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo,
    StatusResult=_StatusResult,
    FunctionMetadataResponse=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    RpcRetryOptions=SimpleNamespace,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the worker says of one run.

    Attributes:
        ok: Whether the function returned.
        value: What goes to `$return`.
        outputs: What the `Out` parameters were set to.
        error: The exception's text when it failed.
        traceback: The worker's formatted traceback when it failed.
    """

    ok: bool
    value: Datum | None = None
    outputs: Sequence[tuple[str, Datum]] = field(default_factory=tuple)
    error: str = ""
    traceback: str = ""


class Worker:
    """An indexed app."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = functions

    @classmethod
    async def start(cls, app: Path, settings: Mapping[str, str]) -> Self:
        """Import and index the app in the folder `app`, which becomes the working directory.

        Raises:
            AppNotIndexedError: With the worker's exception text.
        """
        if not (app / "function_app.py").is_file():
            raise AppNotIndexedError(f"There is no function_app.py in {app}")
        os.chdir(app)
        sys.path.insert(0, str(app))
        start_threadpool_executor()
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app))
            ),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        result = (await worker_init_request(request)).result  # type: ignore[no-untyped-call]
        if result.status != _StatusResult.Success:
            raise AppNotIndexedError(f"The worker can't index the app in {app}: {result.exception.message}")
        metadata = (await functions_metadata_request(None)).function_metadata_results  # type: ignore[no-untyped-call]
        return cls(
            [parse(item.name, item.function_id, item.raw_bindings, settings) for item in metadata or ()]
        )

    async def invoke(
        self,
        function: Function,
        inputs: Sequence[tuple[str, Datum]],
        metadata: Mapping[str, Datum],
        *,
        trace_parent: str,
        trace_state: str = "",
    ) -> Outcome:
        """Run a function once; what it raises is in the outcome."""
        result: tuple[Any, ...] = await invocation_request_native(  # type: ignore[no-untyped-call]
            str(uuid.uuid4()), function.id, inputs, metadata, trace_parent, trace_state
        )
        ok, value, outputs, error, traceback = result
        return Outcome(ok, value, outputs, error or "", traceback or "")

"""`telemetry`: what leaves the app for each video and each minute, counted at receivers; what a start costs.

Spans and log lines come with every video. Figures come once a minute from every process, however many videos
there are: those of a process that does nothing and those of a busy one are told apart. Sizes are those of the
requests as the exporters put them together, plain and compressed; for Application Insights the plain one is
near what is billed.
"""

import asyncio
import contextlib
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench import account, indexes
from bench.figures import Aim, Figures
from emulators.framework.checkout import PROJECT
from emulators.framework.processes import python
from emulators.telemetry import Kind, TelemetryReceiver
from local.stack import LocalStack, base_environment

# 10 MB for 1,000 videos.
AIMS: Final[Mapping[str, Aim]] = {"telemetry.application_insights.bytes_per_video": Aim("<=", 10_000)}
KINDS: Final[tuple[Kind, ...]] = ("application-insights", "otlp")
VIDEOS: Final = 200
AT_ONCE: Final = 16
STARTS: Final = 7
# The SDK's own intervals but for figures: a minute's are the same however long the minute is.
INTERVALS: Final = {
    "OTEL_BSP_SCHEDULE_DELAY": "5000",
    "OTEL_BLRP_SCHEDULE_DELAY": "5000",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
}
LAST_EXPORTS_SECONDS: Final = 12.0
INSTRUMENTED: Final = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ""}

type Items = Sequence[Mapping[str, Any]]


async def run(scale: float) -> Figures:
    """Count over `VIDEOS` × `scale` videos, three times, and time `STARTS` × `scale` starts of each kind."""
    videos, starts = max(10, round(VIDEOS * scale)), max(1, round(STARTS * scale))
    figures: dict[str, float] = {}
    for kind in KINDS:
        async with account.stack(telemetry=kind, settings=INTERVALS) as running:
            await _count_videos(running, kind, videos)
            found = weigh([told(batch) for batch in await _received(running, "requests")], videos)
        figures |= {f"telemetry.{_named(kind)}.{key}": value for key, value in found.items()}
    async with account.stack(
        telemetry="application-insights", settings={**INTERVALS, **INSTRUMENTED}
    ) as running:
        await _count_videos(running, "application-insights", videos)
        ours = of_videos(await _received(running, "items"))
    figures["telemetry.instrumented.spans_items_per_video"] = len(ours) / videos
    figures["telemetry.instrumented.spans_bytes_per_video"] = len(json.dumps(ours)) / videos
    return figures | await _starts(starts)


async def _count_videos(running: LocalStack, kind: Kind, count: int) -> None:
    """Have videos processed, after some that fetch tokens and connect; return when all is received."""
    numbers = itertools.count()
    await _process(running, kind, numbers, AT_ONCE)
    async with running.client() as http:
        (await http.delete(f"{running.telemetry_url}/emulator/received")).raise_for_status()
    await _process(running, kind, numbers, count)


async def _process(running: LocalStack, kind: Kind, numbers: "itertools.count[int]", count: int) -> None:
    bodies = (indexes.index(next(numbers), lines=0) for _ in range(count))
    videos = await account.upload(running, bodies)
    async with account.caller(f"{running.host.url}/api/video-indexer/callback", running.function_key) as call:
        await account.send_all(call, videos, at_once=AT_ONCE)
        await account.events_sent(running, count)
    async with asyncio.timeout(account.WAIT_SECONDS):
        while len(await _extracts(running, kind)) < count:
            await asyncio.sleep(1)
    await asyncio.sleep(LAST_EXPORTS_SECONDS)


async def _extracts(running: LocalStack, kind: Kind) -> Items:
    """The spans of jobs that came."""
    if kind == "otlp":
        return [span for span in await _received(running, "traces") if span["name"] == "extract"]
    return [
        item
        for item in await _received(running, "items")
        if item["data"]["baseData"].get("name") == "extract"
    ]


async def _received(running: LocalStack, what: str) -> Items:
    async with running.client() as http:
        answer = await http.get(f"{running.telemetry_url}/emulator/{what}")
        answer.raise_for_status()
        found: Items = answer.json()
        return found


def told(batch: Mapping[str, Any]) -> dict[str, Any]:
    """A request of either receiver: what it has, how much, and whether its process did something."""
    if "signal" in batch:
        # Counts are cumulative there: who did something repeats them, who did not says nothing.
        return {**batch, "what": {"traces": "spans", "logs": "logs"}.get(batch["signal"], "busy")}
    kinds = set(batch["kinds"])
    sizes = {"items": len(batch["kinds"]), "bytes": batch["sentBytes"], "gzipBytes": batch["gzipBytes"]}
    if kinds == {"Metric"}:
        is_busy = any(name.startswith("keywire.") for name in batch["metrics"])
        return {"what": "busy" if is_busy else "idle", **sizes}
    return {"what": "spans" if kinds & {"Request", "RemoteDependency"} else "logs", **sizes}


def weigh(batches: Items, videos: int) -> dict[str, float]:
    """Items and bytes of each kind: for a video, and of figures for a minute of a process."""
    figures: dict[str, float] = {}
    for what in ("spans", "logs"):
        sent = [batch for batch in batches if batch["what"] == what]
        for key, name in (("items", "items"), ("bytes", "bytes"), ("gzipBytes", "gzip_bytes")):
            figures[f"{what}_{name}_per_video"] = sum(batch[key] for batch in sent) / videos
    figures["bytes_per_video"] = figures["spans_bytes_per_video"] + figures["logs_bytes_per_video"]
    for what in ("idle", "busy"):
        sent = [batch for batch in batches if batch["what"] == what]
        for key, name in (("items", "items"), ("bytes", "bytes"), ("gzipBytes", "gzip_bytes")):
            # Of a process that did nothing for a minute there may be none: that is not nothing.
            if sent:
                figures[f"figures_{name}_per_{what}_minute"] = statistics.fmean(batch[key] for batch in sent)
    return figures


def of_videos(items: Items) -> Items:
    """The spans that belong to callbacks: the local host's own requests to storage come from there too."""
    spans = [item for item in items if item["data"]["baseType"] in {"RequestData", "RemoteDependencyData"}]
    traces = {
        span["tags"]["ai.operation.id"] for span in spans if span["data"]["baseData"]["name"] == "callback"
    }
    return [span for span in spans if span["tags"]["ai.operation.id"] in traces]


async def _starts(rounds: int) -> dict[str, float]:
    """The processor's seconds for a process that starts the worker, imports the app and ends."""
    async with contextlib.AsyncExitStack() as exits:
        running = await exits.enter_async_context(account.stack(with_host=False))
        settings: dict[str, Mapping[str, str]] = {"none": {}}
        for kind in KINDS:
            receiver = TelemetryReceiver(
                kind=kind, certificates=running.certificates, environment=base_environment()
            )
            exits.push_async_callback(receiver.stop)
            await receiver.start()
            settings[_named(kind)] = receiver.settings(running.directory)
        found: dict[str, list[float]] = {name: [] for name in settings}
        for number in range(rounds + 1):
            # In turn, so that all see the same machine.
            measured = {name: await _start(running, those) for name, those in settings.items()}
            if number:  # the first round only warms the disk
                for name, seconds in measured.items():
                    found[name].append(seconds)
    return {f"telemetry.start_cpu_seconds.{name}": statistics.median(each) for name, each in found.items()}


async def _start(running: LocalStack, settings: Mapping[str, str]) -> float:
    import resource  # noqa: PLC0415 - Windows has none

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = await asyncio.create_subprocess_exec(
        *python("-m", "emulators.functions_host", "--app", str(PROJECT), "--list"),
        env=running.app_environment() | dict(settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise RuntimeError("the app can't be started")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _named(kind: Kind) -> str:
    return kind.replace("-", "_")

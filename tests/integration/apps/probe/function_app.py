"""A function app that shows what a host did to it."""

import asyncio
import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import List  # noqa: UP035 - the worker takes no builtin generic in func.Out

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
print("printed at import")  # noqa: T201 - must not reach the host's standard output


def record(name: str, **facts: object) -> None:
    """Append facts to the file that the test reads."""
    with Path(os.environ["PROBE_DIRECTORY"], f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), "at": time.time(), **facts}) + "\n")


def moment(value: datetime | None) -> str | None:
    """A time of a message in JSON."""
    return None if value is None else value.isoformat()


@app.route(route="echo/{name}/{*rest}")
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with what arrived."""
    seen = {
        "method": req.method,
        "url": req.url,
        "query": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "body": req.get_body().decode("latin-1"),
        "traceparent": context.trace_context.trace_parent,
    }
    headers = {"x-probe": "yes", "set-cookie": "taste=sweet; Path=/; HttpOnly"}
    return func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json", headers=headers)


@app.route(route="fail", auth_level=func.AuthLevel.ANONYMOUS, methods=["GET"])
async def fail(req: func.HttpRequest) -> func.HttpResponse:
    """Raise."""
    raise ValueError("the probe failed\non request")


@app.route(route="secret", auth_level=func.AuthLevel.ADMIN)
def secret(req: func.HttpRequest) -> str:
    """A function that isn't async, for the master key only."""
    return "open"


@app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> str:
    """Answer late."""
    await asyncio.sleep(float(req.params["seconds"]))
    return "done"


@app.route(route="enqueue", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="jobs", queue_name="%PROBE_QUEUE%", connection="Probe")
async def enqueue(req: func.HttpRequest, jobs: func.Out[List[str]]) -> str:  # noqa: UP006
    """Send each line of the body as a message."""
    jobs.set(req.get_body().decode().splitlines())
    return "sent"


@app.queue_trigger(arg_name="msg", queue_name="%PROBE_QUEUE%", connection="Probe")
@app.queue_output(arg_name="results", queue_name="%PROBE_QUEUE%-results", connection="Probe")
async def work(msg: func.QueueMessage, results: func.Out[str], context: func.Context) -> None:
    """Do what the message says."""
    job = json.loads(msg.get_body())
    record(
        "work",
        job=job["id"],
        id=msg.id,
        dequeue_count=msg.dequeue_count,
        inserted=moment(msg.insertion_time),
        expires=moment(msg.expiration_time),
        next_visible=moment(msg.time_next_visible),
        has_receipt=bool(msg.pop_receipt),
        traceparent=context.trace_context.trace_parent,
    )
    if job.get("fail"):
        raise ValueError("the probe failed on request")
    await asyncio.sleep(job.get("seconds", 0))
    record("done", job=job["id"])
    if "result" in job:
        results.set(job["result"])


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
async def tick(timer: func.TimerRequest) -> None:
    """Record each second."""
    record("tick", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
async def once(timer: func.TimerRequest) -> None:
    """Record the start."""
    record("once", past_due=timer.past_due, status=timer.schedule_status)  # type: ignore[attr-defined]  # the stub omits it

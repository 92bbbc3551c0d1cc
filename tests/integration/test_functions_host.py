"""The local Functions host with Microsoft's worker, Azurite over HTTPS, and nothing but bearer tokens.

The app under `apps/probe` writes what happens to it into files, and the tests wait for those.
"""

import asyncio
import base64
import json
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueServiceClient

from emulators import identity
from emulators.azurite import Azurite
from emulators.framework.certificates import issue
from emulators.framework.checkout import PROJECT
from emulators.framework.processes import ProcessFailedError, python
from emulators.framework.servers import serve
from emulators.functions_host import FunctionsHost
from local.storage import OperatorCredential
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBE = Path(__file__).parent / "apps" / "probe"
FUNCTION_KEY, MASTER_KEY = "the-function-key", "the-master-key"
KEYS = {"FUNCTIONS_HOST_FUNCTION_KEY": FUNCTION_KEY, "FUNCTIONS_HOST_MASTER_KEY": MASTER_KEY}
ONLY_WORK = {"function:tick": 0, "function:once": 0}


def queue_service(azurite: Azurite, authority: Path) -> QueueServiceClient:
    return QueueServiceClient(
        azurite.queue_endpoint,
        credential=OperatorCredential(),
        connection_verify=str(authority),
        initial_backoff=0,  # a connection of an Azurite that was stopped is dead
        random_jitter_range=1,
    )


@dataclass
class Probe:
    """One run of the probe app: its queue, its settings and what it recorded."""

    directory: Path
    queue: str
    environment: dict[str, str]
    service: QueueServiceClient

    def records(self, name: str, job: str | None = None) -> list[dict[str, Any]]:
        file = self.directory / f"{name}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [fact for fact in map(json.loads, lines) if job is None or fact["job"] == job]

    async def send(self, content: str | None = None, **job: Any) -> str:
        """Put a job (or a raw text) into the app's queue; returns the job's id."""
        name = job.setdefault("id", str(uuid.uuid4()))
        text = base64.b64encode(json.dumps(job).encode()).decode() if content is None else content
        queue = self.service.get_queue_client(self.queue)
        with suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text, time_to_live=-1)
        return str(name)

    async def messages(self, suffix: str = "") -> list[QueueMessage]:
        """What can be seen in a queue of the app, without taking it."""
        queue = self.service.get_queue_client(self.queue + suffix)
        try:
            return list(await queue.peek_messages(max_messages=32))
        except ResourceNotFoundError:
            return []

    async def count(self) -> int:
        """How many messages the app's queue holds, locked ones included."""
        properties = await self.service.get_queue_client(self.queue).get_queue_properties()
        return properties.approximate_message_count or 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def new_probe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Callable[[], Probe]]:
    """Azurite and an identity endpoint; makes probes with a queue and a folder of their own."""
    directory = tmp_path_factory.mktemp("stack")
    certificates = issue(directory)
    header = uuid.uuid4().hex
    async with (
        serve(identity.create_app(header)) as identity_url,
        Azurite(directory, certificates) as azurite,
        queue_service(azurite, certificates.authority) as service,
    ):
        environment = {
            **certificates.environment(),
            **KEYS,
            "IDENTITY_ENDPOINT": f"{identity_url}/msi/token",
            "IDENTITY_HEADER": header,
            "Probe__queueServiceUri": azurite.queue_endpoint,
            "Probe__credential": "managedidentity",
            "Probe__clientId": identity.CLIENT_ID,
        }

        def make() -> Probe:
            folder = tmp_path_factory.mktemp("probe")
            queue = f"jobs-{uuid.uuid4().hex[:8]}"
            settings = {**environment, "PROBE_DIRECTORY": str(folder), "PROBE_QUEUE": queue}
            return Probe(folder, queue, settings, service)

        yield make


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def probe(new_probe: Callable[[], Probe]) -> Probe:
    return new_probe()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(probe: Probe) -> AsyncIterator[FunctionsHost]:
    """The whole probe app, one process for each group."""
    async with FunctionsHost(PROBE, probe.environment) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(host: FunctionsHost) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=host.url, timeout=PATIENCE_SECONDS) as made:
        yield made


# --- processes ---------------------------------------------------------------


async def test_each_group_of_the_app_runs_in_a_process_of_its_own(host: FunctionsHost) -> None:
    groups = {group: [process.functions for process in each] for group, each in host.processes.items()}
    assert groups == {
        "http": [("echo", "fail", "secret", "slow", "enqueue")],
        "function:work": [("work",)],
        "function:tick": [("tick",)],
        "function:once": [("once",)],
    }
    pids = [process.pid for each in host.processes.values() for process in each]
    assert len(set(pids)) == len(pids) == 4


async def test_what_the_app_prints_goes_to_the_log(host: FunctionsHost) -> None:
    assert "[http] printed at import" in host.logs()


async def test_the_log_has_no_key_no_query_string_and_no_token(
    host: FunctionsHost, client: httpx.AsyncClient
) -> None:
    await client.get("/api/echo/a", params={"code": FUNCTION_KEY, "private": "a-query-value"})
    await client.get("/api/fail", params={"private": "a-query-value"})
    await eventually(lambda: "Executed fail" in host.logs(), "the failed run is logged", host.logs)
    for secret in (FUNCTION_KEY, MASTER_KEY, "a-query-value", "Bearer", "eyJ"):
        assert secret not in host.logs()


async def start(
    *arguments: str, environment: Mapping[str, str], directory: Path
) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *python("-m", "emulators.functions_host", *arguments),
        env={"PYTHONPATH": str(PROJECT), **environment},
        cwd=directory,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )


@pytest.mark.parametrize("ending", ["signal", "stdin"])
@pytest.mark.parametrize("group", ["http", "function:work"])
async def test_a_process_says_one_line_and_ends_with_0_when_asked(
    new_probe: Callable[[], Probe], tmp_path: Path, group: str, ending: str
) -> None:
    probe = new_probe()
    arguments = ["--app", str(PROBE), "--group", group, "--port", "0", "--exit-with-stdin"]
    process = await start(*arguments, environment=probe.environment, directory=tmp_path)
    assert process.stdout is not None
    assert process.stdin is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS))
    assert (line["ready"], line["group"]) == (True, group)
    if group == "http":
        async with httpx.AsyncClient(base_url=line["url"]) as client:
            assert (await client.get("/api/slow?seconds=0")).text == "done"
    else:
        assert line["url"] is None
        assert line["functions"] == ["work"]
    if ending == "signal":
        process.send_signal(signal.SIGTERM)
    else:
        process.stdin.close()
    stdout, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (stdout, process.returncode) == (b"", 0)


async def test_the_functions_of_an_app_can_be_listed(new_probe: Callable[[], Probe], tmp_path: Path) -> None:
    probe = new_probe()
    process = await start("--app", str(PROBE), "--list", environment=probe.environment, directory=tmp_path)
    stdout, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    functions = {function.pop("name"): function for function in json.loads(stdout)["functions"]}
    assert functions["echo"] == {"trigger": "httpTrigger", "group": "http", "supported": True}
    assert functions["tick"] == {"trigger": "timerTrigger", "group": "function:tick", "supported": True}
    work = {"trigger": "queueTrigger", "group": "function:work", "supported": True, "queue": probe.queue}
    assert functions["work"] == work


async def test_an_app_that_the_worker_refuses_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.route()\n"
        "@app.queue_output(arg_name='out', queue_name='q', connection='C')\n"
        "def bad(req: func.HttpRequest, out: func.Out[list[str]]) -> str: ...\n"
    )
    with pytest.raises(ProcessFailedError, match=r"exit code 1(?s:.*)invalid non-type annotation"):
        async with FunctionsHost(tmp_path, KEYS):
            pass


async def test_an_app_without_its_file_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match=r"no function_app\.py"):
        async with FunctionsHost(tmp_path, KEYS):
            pass


async def test_a_missing_connection_is_named_at_the_start(tmp_path: Path) -> None:
    environment = {**KEYS, "PROBE_DIRECTORY": str(tmp_path), "PROBE_QUEUE": "jobs"}
    with pytest.raises(ProcessFailedError, match="Probe__queueServiceUri"):
        async with FunctionsHost(PROBE, environment):
            pass


async def test_a_function_with_a_trigger_that_the_host_lacks_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\n"
        "app = func.FunctionApp()\n"
        "@app.service_bus_queue_trigger(arg_name='message', queue_name='logs', connection='C')\n"
        "def bus(message: func.ServiceBusMessage): ...\n"
    )
    async with FunctionsHost(tmp_path, KEYS) as host:
        assert list(host.processes) == ["http"]
        assert "bus isn't started" in caplog.text
        with pytest.raises(ProcessFailedError, match=r"bus has bindings.*serviceBusTrigger"):
            await host.start("function:bus")


async def test_a_developers_own_settings_do_not_reach_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "mine")
    (tmp_path / "function_app.py").write_text(
        "import os, azure.functions as func\n"
        "app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
        "@app.route()\n"
        "def names(req: func.HttpRequest) -> str: return ' '.join(os.environ)\n"
    )
    async with (
        FunctionsHost(tmp_path, {**KEYS, "GIVEN": "1"}) as host,
        httpx.AsyncClient(base_url=host.url) as client,
    ):
        names = (await client.get("/api/names")).text.split()
    assert "GIVEN" in names
    assert "AZURE_CLIENT_SECRET" not in names


# --- HTTP --------------------------------------------------------------------


async def test_a_request_reaches_the_function_as_azure_sends_it(client: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = await client.put(
        "/api/Echo/a%20b/c/d%2Fe?x=1&X=2&plus=%2B&empty=",
        headers={"x-functions-key": FUNCTION_KEY, "traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        content=b"\x00\xffbody",
    )
    seen = response.json()
    assert response.status_code == 201
    assert seen["method"] == "PUT"
    assert seen["url"] == f"{client.base_url}/api/Echo/a%20b/c/d%2Fe?x=1&X=2&plus=%2B&empty="
    assert seen["route"] == {"name": "a b", "rest": "c/d%2Fe"}
    assert seen["query"] == {"x": "1,2", "plus": "+"}
    assert seen["headers"]["x-functions-key"] == FUNCTION_KEY
    assert seen["body"] == "\x00\xffbody"
    assert seen["traceparent"].split("-")[1] == trace


async def test_a_large_body_arrives_whole(client: httpx.AsyncClient) -> None:
    body = b"0123456789" * 100_000
    response = await client.post("/api/echo/a", headers={"x-functions-key": FUNCTION_KEY}, content=body)
    assert response.json()["body"].encode() == body


async def test_a_response_has_the_functions_headers_and_cookies(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/echo/a", params={"code": FUNCTION_KEY})
    assert response.headers["x-probe"] == "yes"
    assert response.headers["content-type"] == "application/json"
    assert response.cookies["taste"] == "sweet"


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/api/echo/a", None, 401),
        ("/api/echo/a", "wrong", 401),
        ("/api/echo/a", FUNCTION_KEY, 201),
        ("/api/echo/a", MASTER_KEY, 201),
        ("/api/secret", FUNCTION_KEY, 401),
        ("/api/secret", MASTER_KEY, 200),
        ("/api/slow?seconds=0", None, 200),
        ("/api/slow?seconds=0", "wrong", 200),
        ("/api/nothing", None, 404),
        ("/echo/a", MASTER_KEY, 404),
        ("/admin/host/status", FUNCTION_KEY, 401),
        ("/admin/host/status", MASTER_KEY, 200),
        ("/admin/nothing", MASTER_KEY, 404),
    ],
)
async def test_a_path_opens_with_its_key(
    client: httpx.AsyncClient, path: str, key: str | None, status: int
) -> None:
    response = await client.get(path, headers={"x-functions-key": key} if key else {})
    assert response.status_code == status


async def test_a_wrong_method_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/fail")).status_code == 404


async def test_a_function_that_raises_is_a_500_without_a_body_and_one_line_in_the_log(
    host: FunctionsHost, client: httpx.AsyncClient
) -> None:
    response = await client.get("/api/fail")
    assert (response.status_code, response.content) == (500, b"")
    expected = "ERROR emulators.functions_host.executor Executed fail (Failed"
    (line, *_) = await eventually(
        lambda: [line for line in host.logs().splitlines() if expected in line], "the run is logged"
    )
    assert r"ValueError('the probe failed\non request')" in line
    assert "function_app.py:" in line
    assert "Traceback" not in host.logs()


async def test_requests_run_at_the_same_time(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    answers = await asyncio.gather(*(client.get("/api/slow?seconds=0.5") for _ in range(32)))
    assert [answer.text for answer in answers] == ["done"] * 32
    assert time.monotonic() - began < 8  # one after the other they take 16 s


async def test_an_answer_does_not_wait_for_an_acknowledgement(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    for _ in range(50):
        await client.get("/api/slow?seconds=0")
    assert time.monotonic() - began < 1.5  # with Nagle's algorithm each takes 40 ms, 2 s in all


# --- queues ------------------------------------------------------------------


async def test_a_message_is_run_with_its_metadata_and_deleted(probe: Probe, host: FunctionsHost) -> None:
    job = await probe.send()
    await eventually(lambda: probe.records("done", job), "the job is done", host.logs)
    (run,) = probe.records("work", job)
    assert run["dequeue_count"] == 1
    assert uuid.UUID(run["id"])
    assert run["inserted"] < run["next_visible"] < run["expires"]
    assert run["expires"].startswith("9999-12-31")
    assert run["has_receipt"]
    assert len(run["traceparent"].split("-")) == 4
    await eventually(lambda: _is_empty(probe), "the message is deleted", host.logs)


async def test_a_queue_output_is_written_in_base64(probe: Probe, host: FunctionsHost) -> None:
    await probe.send(result="a résult")
    expected = base64.b64encode("a résult".encode()).decode()

    async def written() -> bool:
        return expected in [message.content for message in await probe.messages("-results")]

    await eventually(written, "the result is in the output queue", host.logs)


async def test_a_list_in_a_queue_output_is_one_message_for_each_item(
    probe: Probe, host: FunctionsHost, client: httpx.AsyncClient
) -> None:
    jobs = [str(uuid.uuid4()) for _ in range(3)]
    response = await client.post("/api/enqueue", content="\n".join(json.dumps({"id": job}) for job in jobs))
    assert (response.status_code, response.text) == (200, "sent")
    for job in jobs:
        await eventually(partial(probe.records, "done", job), "each item is done", host.logs)


async def test_a_failing_message_is_tried_and_then_moved_to_the_poison_queue_as_it_is(
    probe: Probe, host: FunctionsHost
) -> None:
    job = await probe.send(fail=True)

    async def poisoned() -> list[QueueMessage]:
        messages = await probe.messages("-poison")
        return [message for message in messages if job.encode() in base64.b64decode(message.content)]

    (message,) = await eventually(poisoned, "the message is in the poison queue", host.logs)
    assert json.loads(base64.b64decode(message.content)) == {"id": job, "fail": True}
    assert [run["dequeue_count"] for run in probe.records("work", job)] == [1, 2, 3]
    await eventually(lambda: _is_empty(probe), "it's gone from its own queue", host.logs)


async def test_a_message_that_is_not_base64_is_poison_at_once(new_probe: Callable[[], Probe]) -> None:
    probe = new_probe()
    await probe.send('{"plain": "json"}')
    async with FunctionsHost(PROBE, probe.environment, ONLY_WORK) as host:
        (message,) = await eventually(
            lambda: probe.messages("-poison"), "it's in the poison queue", host.logs
        )
    assert message.content == '{"plain": "json"}'
    assert probe.records("work") == []


async def test_a_queue_that_is_made_later_is_found(new_probe: Callable[[], Probe]) -> None:
    probe = new_probe()
    environment = {**probe.environment, "FUNCTIONS_HOST_LOG_LEVEL": "DEBUG"}
    async with FunctionsHost(PROBE, environment, ONLY_WORK) as host:
        await eventually(lambda: "doesn't exist yet" in host.logs(), "the queue is looked for", host.logs)
        job = await probe.send()  # makes the queue
        await eventually(lambda: probe.records("done", job), "the job is done", host.logs)
        assert "can't be polled" not in host.logs()


async def test_a_lock_is_renewed_while_the_function_runs(new_probe: Callable[[], Probe]) -> None:
    probe = new_probe()
    job = await probe.send(seconds=5)
    environment = {**probe.environment, "FUNCTIONS_HOST_LOCK_SECONDS": "2"}
    async with FunctionsHost(PROBE, environment, ONLY_WORK) as host:
        await eventually(lambda: probe.records("done", job), "the job is done", host.logs)
        await eventually(lambda: _is_empty(probe), "the message is deleted", host.logs)
    assert len(probe.records("work", job)) == 1


async def test_the_message_of_a_killed_process_comes_back_when_its_lock_ends(
    new_probe: Callable[[], Probe],
) -> None:
    probe = new_probe()
    environment = {**probe.environment, "FUNCTIONS_HOST_LOCK_SECONDS": "3"}
    async with FunctionsHost(PROBE, environment, ONLY_WORK) as host:
        job = await probe.send(seconds=3600)
        await eventually(lambda: probe.records("work", job), "the job has begun", host.logs)
        await host.kill("function:work", 0)
        assert host.processes["function:work"][0].returncode not in (None, 0)
        again = await host.start("function:work")
        await eventually(lambda: len(probe.records("work", job)) == 2, "the job began again", host.logs)
        first, second = probe.records("work", job)
        assert (first["dequeue_count"], second["dequeue_count"]) == (1, 2)
        assert second["pid"] == again.pid != first["pid"]
        await host.kill("function:work", 1)


async def test_a_run_may_end_when_the_host_stops(new_probe: Callable[[], Probe]) -> None:
    probe = new_probe()
    async with FunctionsHost(PROBE, probe.environment, ONLY_WORK) as host:
        job = await probe.send(seconds=1.5)
        await eventually(lambda: probe.records("work", job), "the job has begun", host.logs)
        assert probe.records("done", job) == []
    assert len(probe.records("done", job)) == 1
    assert await probe.count() == 0
    assert host.processes["function:work"][0].returncode == 0


async def test_instances_share_a_queue(new_probe: Callable[[], Probe]) -> None:
    probe = new_probe()
    jobs = [await probe.send(seconds=0.5) for _ in range(24)]
    async with FunctionsHost(PROBE, probe.environment, {**ONLY_WORK, "function:work": 2}) as host:
        await eventually(lambda: len(probe.records("done")) == 24, "all jobs are done", host.logs)
        assert {run["pid"] for run in probe.records("work")} == {
            process.pid for process in host.processes["function:work"]
        }
    assert sorted(run["job"] for run in probe.records("work")) == sorted(jobs)


async def test_a_listener_outlives_an_outage_of_its_storage(
    new_probe: Callable[[], Probe], tmp_path: Path
) -> None:
    probe = new_probe()
    async with (
        Azurite(tmp_path, issue(tmp_path)) as azurite,
        queue_service(azurite, tmp_path / "ca.pem") as probe.service,
    ):
        probe.environment |= {
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "Probe__queueServiceUri": azurite.queue_endpoint,
        }
        async with FunctionsHost(PROBE, probe.environment, ONLY_WORK) as host:
            before = await probe.send()
            await eventually(lambda: probe.records("done", before), "the first job is done", host.logs)
            assert azurite.process is not None
            await azurite.process.kill()
            await eventually(lambda: "can't be polled" in host.logs(), "the outage is seen", host.logs)
            await azurite.start()  # on the same ports, with nothing in it
            after = await probe.send()
            await eventually(lambda: probe.records("done", after), "the second job is done", host.logs)
            await eventually(lambda: "is polled again" in host.logs(), "the end is logged", host.logs)
        assert host.logs().count("can't be polled") == 1


def app_with(directory: Path, **host_json: Any) -> Path:
    """A copy of the probe with another host.json."""
    shutil.copytree(PROBE, directory, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (directory / "host.json").write_text(json.dumps({"version": "2.0", **host_json}))
    return directory


async def test_no_more_messages_are_in_work_than_host_json_allows(
    new_probe: Callable[[], Probe], tmp_path: Path
) -> None:
    probe = new_probe()
    for seconds in (0.2, 1.0, 0.2, 1.0, 0.2, 0.2):
        await probe.send(seconds=seconds)
    app = app_with(tmp_path / "app", extensions={"queues": {"batchSize": 2, "newBatchThreshold": 1}})
    async with FunctionsHost(app, probe.environment, ONLY_WORK) as host:
        await eventually(lambda: len(probe.records("done")) == 6, "all jobs are done", host.logs)
    changes = [(run["at"], 1) for run in probe.records("work")] + [
        (run["at"], -1) for run in probe.records("done")
    ]
    running, most = 0, 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    assert most == 3  # the threshold and a batch


async def test_a_failed_message_waits_for_the_visibility_timeout(
    new_probe: Callable[[], Probe], tmp_path: Path
) -> None:
    probe = new_probe()
    job = await probe.send(fail=True)
    queues = {"visibilityTimeout": "00:00:02", "maxDequeueCount": 2, "maxPollingInterval": "00:00:00.2"}
    async with FunctionsHost(
        app_with(tmp_path / "app", extensions={"queues": queues}), probe.environment, ONLY_WORK
    ) as host:
        await eventually(lambda: probe.messages("-poison"), "the message is poison", host.logs)
    first, second = probe.records("work", job)
    assert second["at"] - first["at"] > 1  # Azurite counts in whole seconds


async def test_a_run_over_the_function_timeout_fails(new_probe: Callable[[], Probe], tmp_path: Path) -> None:
    probe = new_probe()
    job = await probe.send(seconds=3600)
    app = app_with(
        tmp_path / "app", functionTimeout="00:00:01", extensions={"queues": {"maxDequeueCount": 1}}
    )
    async with FunctionsHost(app, probe.environment, ONLY_WORK) as host:
        await eventually(lambda: probe.messages("-poison"), "the message is poison", host.logs)
        assert "it ran longer than functionTimeout" in host.logs()
    assert probe.records("done", job) == []


async def _is_empty(probe: Probe) -> bool:
    return await probe.count() == 0


# --- timers ------------------------------------------------------------------


async def test_a_timer_runs_when_it_is_due(probe: Probe, host: FunctionsHost) -> None:
    ticks = await eventually(
        lambda: len(probe.records("tick")) >= 3 and probe.records("tick"), "three seconds", host.logs
    )
    seconds = [int(tick["at"] + 0.05) for tick in ticks]  # a wait may end a moment early
    assert len(set(seconds)) == len(seconds)
    assert not any(tick["past_due"] for tick in ticks)


async def test_a_timer_may_run_at_the_start(probe: Probe, host: FunctionsHost) -> None:
    (run,) = await eventually(lambda: probe.records("once"), "the timer ran", host.logs)
    assert run["past_due"] is False
    assert run["status"]["Next"].endswith("-01-01T00:00:00+00:00")


async def test_a_timer_that_was_missed_while_no_host_ran_is_past_due(
    new_probe: Callable[[], Probe], tmp_path: Path
) -> None:
    probe = new_probe()
    state = {"Last": "2025-01-01T00:00:00+00:00", "Next": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "once.timer.json").write_text(json.dumps(state))
    environment = {**probe.environment, "FUNCTIONS_HOST_STATE": str(tmp_path)}
    instances = {"function:work": 0, "function:tick": 0}
    async with FunctionsHost(PROBE, environment, instances) as host:
        (run,) = await eventually(lambda: probe.records("once"), "the timer ran", host.logs)
    assert run["past_due"] is True
    assert run["status"]["Last"] == state["Last"]
    assert json.loads((tmp_path / "once.timer.json").read_text())["Next"] > state["Next"]


# --- Event Hubs --------------------------------------------------------------

HUBS = """
import json, os
from pathlib import Path
from typing import List
import azure.functions as func

app = func.FunctionApp()

def record(name, *events):
    facts = [
        {"body": event.get_body().decode("latin-1"), "number": event.sequence_number, "offset": event.offset,
         "at": event.enqueued_time.isoformat(), "partition": event.metadata["PartitionContext"]}
        for event in events
    ]
    with Path(os.environ["PROBE_DIRECTORY"], f"{name}.jsonl").open("a") as file:
        file.write(json.dumps({"job": None, "events": facts}) + chr(10))
    if any(event.get_body() == b"bad" for event in events):
        raise ValueError("the probe failed on request")

@app.event_hub_message_trigger("events", "Log", "many", cardinality="many", data_type="binary")
def many(events: List[func.EventHubEvent]):
    record("many", *events)

@app.event_hub_message_trigger("events", "Log", "texts", cardinality="many")
def texts(events: List[func.EventHubEvent]):
    record("texts", *events)

@app.event_hub_message_trigger("event", "Log", "single", cardinality="one")
def single(event: func.EventHubEvent):
    record("single", event)
"""
NAMESPACE = {"Log__fullyQualifiedNamespace": "newsroom.servicebus.windows.net"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hubs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[FunctionsHost, Path]]:
    """An app with Event Hub functions, and the folder in which it records its runs."""
    app, folder = tmp_path_factory.mktemp("hubs"), tmp_path_factory.mktemp("records")
    (app / "function_app.py").write_text(HUBS)
    async with FunctionsHost(app, {**KEYS, **NAMESPACE, "PROBE_DIRECTORY": str(folder)}) as running:
        yield running, folder


async def send_batch(host: FunctionsHost, name: str, content: object, hub: str = "") -> httpx.Response:
    url = f"{host.processes[f'function:{name}'][0].url}/emulator/eventhubs/{hub or name}"
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        return await client.post(url, content=json.dumps(content))


def runs(folder: Path, name: str) -> list[list[dict[str, Any]]]:
    """The events of each run so far; those before are forgotten."""
    file = folder / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [json.loads(line)["events"] for line in lines]


@pytest.mark.parametrize("name", ["many", "texts"])
async def test_a_batch_of_events_is_one_run(hubs: tuple[FunctionsHost, Path], name: str) -> None:
    host, folder = hubs
    response = await send_batch(host, name, ["one", "zw\xf6lf"])
    assert (response.status_code, response.json()) == (200, {"runs": 1, "failed": 0})
    ((first, second),) = runs(folder, name)
    assert (first["body"], second["body"].encode("latin-1").decode()) == ("one", "zw\xf6lf")
    assert [(event["number"], event["offset"]) for event in (first, second)] == [(0, 0), (1, 1)]
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert first["partition"] == {"PartitionId": "0", "EventHubName": name, "ConsumerGroup": "$Default"}


async def test_single_events_are_a_run_each(hubs: tuple[FunctionsHost, Path]) -> None:
    host, folder = hubs
    response = await send_batch(host, "single", ["one", "two"], hub="SINGLE")
    assert (response.status_code, response.json()) == (200, {"runs": 2, "failed": 0})
    assert [[event["body"] for event in run] for run in runs(folder, "single")] == [["one"], ["two"]]


@pytest.mark.parametrize(
    ("name", "expected"), [("many", {"runs": 1, "failed": 1}), ("single", {"runs": 3, "failed": 1})]
)
async def test_a_run_that_raises_is_told_and_not_tried_again(
    hubs: tuple[FunctionsHost, Path], name: str, expected: dict[str, int]
) -> None:
    host, folder = hubs
    response = await send_batch(host, name, ["one", "bad", "three"])
    assert (response.status_code, response.json()) == (500, expected)
    assert len(runs(folder, name)) == expected["runs"]


@pytest.mark.parametrize("content", [[], {}, "one", ["one", 2], ["\ud800"], None])
async def test_what_is_no_batch_runs_nothing(hubs: tuple[FunctionsHost, Path], content: object) -> None:
    host, folder = hubs
    assert (await send_batch(host, "many", content)).status_code == 400
    assert runs(folder, "many") == []


async def test_a_function_takes_events_of_its_own_hub_only(hubs: tuple[FunctionsHost, Path]) -> None:
    host, folder = hubs
    assert (await send_batch(host, "many", ["one"], hub="single")).status_code == 404
    assert runs(folder, "many") == []


async def test_an_event_hub_function_runs_by_hand(hubs: tuple[FunctionsHost, Path]) -> None:
    host, folder = hubs
    async with httpx.AsyncClient(base_url=host.url) as client:
        for name in ("many", "single"):
            assert await run_by_hand(client, name, "by hand") == 202
            ((event,),) = await eventually(partial(runs, folder, name), "it ran", host.logs)
            assert event["body"] == "by hand"


async def test_a_missing_namespace_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(HUBS)
    with pytest.raises(ProcessFailedError, match="Log__fullyQualifiedNamespace"):
        async with FunctionsHost(tmp_path, KEYS):
            pass


# --- /admin ------------------------------------------------------------------


async def run_by_hand(client: httpx.AsyncClient, name: str, text: str = "") -> int:
    headers = {"x-functions-key": MASTER_KEY}
    return (await client.post(f"/admin/functions/{name}", headers=headers, json={"input": text})).status_code


async def test_a_queue_function_runs_by_hand_in_the_http_process(
    probe: Probe, host: FunctionsHost, client: httpx.AsyncClient
) -> None:
    job = str(uuid.uuid4())
    assert await run_by_hand(client, "work", json.dumps({"id": job})) == 202
    await eventually(lambda: probe.records("done", job), "the run is done", host.logs)
    (run,) = probe.records("work", job)
    assert (run["pid"], run["dequeue_count"]) == (host.processes["http"][0].pid, 0)


async def test_a_timer_function_runs_by_hand(
    probe: Probe, host: FunctionsHost, client: httpx.AsyncClient
) -> None:
    http = host.processes["http"][0].pid
    assert await run_by_hand(client, "tick") == 202
    await eventually(
        lambda: [run for run in probe.records("tick") if run["pid"] == http], "it ran", host.logs
    )


@pytest.mark.parametrize(
    ("name", "content", "content_type", "status"),
    [
        ("nothing", '{"input": ""}', "application/json", 404),
        ("echo", '{"input": ""}', "application/json", 400),
        ("work", "{", "application/json", 400),
        ("work", "[]", "application/json", 400),
        ("work", '{"input": ""}', "text/plain", 415),
    ],
)
async def test_what_cannot_run_by_hand_is_refused(
    client: httpx.AsyncClient, name: str, content: str, content_type: str, status: int
) -> None:
    headers = {"x-functions-key": MASTER_KEY, "content-type": content_type}
    response = await client.post(f"/admin/functions/{name}", headers=headers, content=content)
    assert response.status_code == status


async def test_running_by_hand_needs_the_master_key(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"x-functions-key": FUNCTION_KEY}):
        response = await client.post("/admin/functions/work", json={"input": ""}, headers=headers)
        assert response.status_code == 401


async def test_the_host_says_that_it_runs(client: httpx.AsyncClient) -> None:
    response = await client.get("/admin/host/status", headers={"x-functions-key": MASTER_KEY})
    assert response.json()["state"] == "Running"

"""Whatever lies on a queue is done, put off, or given up with a reason: nothing is lost."""

import base64
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emulators.framework.checkout import PROJECT
from keywire.jobs import job as jobs
from keywire.jobs import poison
from keywire.jobs.job import ExtractionJob
from keywire.jobs.message import InvalidMessageError, NewerMessageError
from keywire.jobs.poison_keeper import CRASHED
from keywire.operations import backfill_orders, rematch_orders
from keywire.storage import layout
from tests.support.fuzzing import RawHttp, RunningApp, running_app, taken
from tests.support.hostile import MARKER, changed
from tests.support.queue_messages import never_expires
from tests.support.waiting import eventually

# Of a case that failed, however long a text in it is.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

BATCH = 20
# A batch that fails is not made smaller: that would take minutes, and the failure names the message.
BATCHES = settings(max_examples=settings().max_examples // BATCH, phases=[Phase.generate])
OPERATION = "0123456789abcdef" * 2
READ_PAGE: dict[str, Callable[[bytes], object]] = {
    layout.REMATCH_QUEUE: rematch_orders.decode_page,
    layout.BACKFILL_PAGES_QUEUE: backfill_orders.decode_page,
}
PAGES: dict[str, dict[str, Any]] = {
    layout.REMATCH_QUEUE: {"request": {"interests": ["film"]}, "page": 2, "marker": None},
    layout.BACKFILL_PAGES_QUEUE: {
        "request": {"from": "2026-03-02T08:00:00Z"},
        "cursor": {"skip": 5, "pages": 1, "tail": ["a"], "stepsBack": 0},
    },
}


def job_fields(**fields: Any) -> dict[str, Any]:
    received_at = datetime.now(UTC).replace(microsecond=0)
    job = ExtractionJob(video_id="never-there", job_id="j1", signal="callback", received_at=received_at)
    encoded: dict[str, Any] = json.loads(jobs.encode(job))
    return encoded | fields


def page_fields(queue: str, **fields: Any) -> dict[str, Any]:
    common = {"operationId": OPERATION, "traceparent": None, "messageVersion": 1}
    return PAGES[queue] | common | fields


# As it lies on a queue: base64, which may be broken into lines, or anything else that XML can hold.
ENCODED = st.sampled_from(
    [lambda body: base64.b64encode(body).decode()] * 4 + [lambda body: base64.encodebytes(body).decode()]
)
NO_BASE64 = (
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=100).map(
        lambda text: f"{{{text}"
    )
    | st.sampled_from([f"<{MARKER}>&amp;", "{" * 60_000, "===", "a"])
    | st.just(json.dumps({"videoId": MARKER}))
)


def contents(*samples: dict[str, Any]) -> st.SearchStrategy[str]:
    """What may lie on a queue, each of a size that a queue takes."""
    encoded = st.tuples(ENCODED, changed(*samples)).map(lambda pair: pair[0](pair[1]))
    return (encoded | encoded | encoded | NO_BASE64).filter(lambda text: len(text.encode()) <= 64 * 1024)


def batches(*kinds: tuple[str, st.SearchStrategy[str]]) -> st.SearchStrategy[list[tuple[str, str]]]:
    one = st.one_of([st.tuples(st.just(queue), content) for queue, content in kinds])
    return st.lists(one, min_size=BATCH, max_size=BATCH)


@pytest.fixture(scope="module")
async def workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """A process for each queue; the host tries again after a second."""
    directory = tmp_path_factory.mktemp("app")
    shutil.copy(PROJECT / "function_app.py", directory)
    host = json.loads((PROJECT / "host.json").read_text())
    host["extensions"]["queues"] |= {"visibilityTimeout": "00:00:01", "maxPollingInterval": "00:00:00.100"}
    (directory / "host.json").write_text(json.dumps(host))
    groups = [f"function:{name}" for name in ("extraction", "backfill", "rematch", "backfill_pages")]
    quiet = {"VIDEO_INDEXER_QUOTA_SHARE": "off"}
    async with running_app(groups, directory=directory, **quiet) as app:
        yield app
        app.check("Montoya")


async def depth(app: RunningApp, queue: str) -> int:
    """How many messages a queue has, those out of sight with them."""
    properties = await app.stack.storage.queue(queue).get_queue_properties()
    return properties.approximate_message_count or 0


async def keep_poison(app: RunningApp) -> None:
    """Let the timer run that takes over what the host gave up."""
    http = RawHttp(app.host.url)
    headers = [(b"x-functions-key", app.stack.master_key.encode()), (b"content-type", b"application/json")]
    before = app.log.getvalue().count("poison kept=")
    assert (await http.post(b"/admin/functions/keep_poison", headers, b'{"input": ""}')).status == 202
    await eventually(
        lambda: app.log.getvalue().count("poison kept=") > before, "poison is kept", app.log.getvalue
    )
    await http.close()


async def poisoned(app: RunningApp, queue: str, *, most: int) -> Counter[bytes]:
    """What was given up, each as it came; all of it says why, and stays."""
    found = Counter[bytes]()
    messages = await taken(app.stack.storage.queues.get_queue_client(f"{queue}-poison"))
    assert len(messages) <= most
    for message in messages:
        told = json.loads(base64.b64decode(message.content, validate=True))
        assert never_expires(message)
        assert told["reason"]
        assert told["reason"] != CRASHED
        assert MARKER not in told["reason"]
        assert datetime.fromisoformat(told["poisonedAt"]).tzinfo is not None
        found[poison.original(message.content)] += 1
    return found


async def settled(app: RunningApp, sent: list[tuple[str, str]], left: Mapping[str, int]) -> None:
    """Send, and wait until each was done with and so many messages are left on each queue."""
    before = done(app, *left)
    for queue, content in sent:
        await app.stack.storage.queues.get_queue_client(queue).send_message(content)

    async def quiet() -> bool:
        if done(app, *left) - before < len(sent):
            return False
        return [await depth(app, queue) for queue in left] == [*left.values()]

    await eventually(quiet, f"what is left is {left}", app.log.getvalue)
    await keep_poison(app)


def done(app: RunningApp, *queues: str) -> int:
    """How many runs ended, and messages were no base64, on these queues."""
    log = app.log.getvalue()
    runs = [f"Executed {queue.replace('-', '_')} (" for queue in queues]
    return sum(log.count(text) for text in (*runs, "is not base64"))


def body_of(content: str) -> bytes | None:
    """A message's bytes, or None where the host finds none in it."""
    try:
        return poison.from_base64(content)
    except ValueError:
        return None


JOBS = contents(job_fields(), job_fields(attempts=1, later=[MARKER]), job_fields(jobVersion=2, later=1))


@BATCHES
@given(batches((layout.EXTRACTION_QUEUE, JOBS), (layout.BACKFILL_QUEUE, JOBS)))
async def test_a_message_is_a_job_or_is_kept_or_is_given_up_with_a_reason(
    workers: RunningApp, batch: list[tuple[str, str]]
) -> None:
    left = Counter({layout.EXTRACTION_QUEUE: 0, layout.BACKFILL_QUEUE: 0})
    given_up = {queue: Counter[bytes]() for queue in left}
    for queue, content in batch:
        body = body_of(content)
        if body is None:
            given_up[queue][content.encode()[: poison.MAX_BODY]] += 1
            continue
        try:
            job = jobs.decode(body)
        except NewerMessageError as error:
            if error.received_at and (datetime.now(UTC) - error.received_at).days < 1:
                left[queue] += 1  # a newer instance may come
            else:
                given_up[queue][body[: poison.MAX_BODY]] += 1
        except InvalidMessageError:
            given_up[queue][body[: poison.MAX_BODY]] += 1
        else:
            left[queue] += (
                job.not_found == 0
            )  # asked for once more; if it is not found again, nothing is left
    await settled(workers, batch, left)
    for queue in left:
        assert await poisoned(workers, queue, most=BATCH) == given_up[queue]
        await workers.stack.storage.queue(queue).clear_messages()


@BATCHES
@given(
    batches(
        *(
            (queue, contents(page_fields(queue), page_fields(queue), page_fields(queue, messageVersion=2)))
            for queue in READ_PAGE
        )
    )
)
async def test_a_message_is_a_page_or_is_given_up_with_a_reason(
    workers: RunningApp, batch: list[tuple[str, str]]
) -> None:
    unreadable = {queue: Counter[bytes]() for queue in READ_PAGE}
    for queue, content in batch:
        body = body_of(content)
        if body is None:
            unreadable[queue][content.encode()[: poison.MAX_BODY]] += 1
            continue
        try:
            READ_PAGE[queue](body)
        except ValueError:
            unreadable[queue][body[: poison.MAX_BODY]] += 1
    await settled(workers, batch, dict.fromkeys(READ_PAGE, 0))
    sent = Counter(body_of(content) for _, content in batch)
    for queue, expected in unreadable.items():
        found = await poisoned(workers, queue, most=BATCH)
        assert expected <= found
        # Besides them only pages that nobody can do, a marker that storage doesn't know for instance.
        assert found - expected <= sent

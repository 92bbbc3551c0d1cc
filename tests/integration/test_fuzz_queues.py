"""Any message on a queue is processed, deferred, or moved to the poison queue with a reason."""

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

# A case that failed is printed whole.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

BATCH = 20
# Shrinking a failed batch would take minutes, and the failure names the message.
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


# The content of a queue message: base64, perhaps in several lines, or any other text that XML can hold.
ENCODED = st.sampled_from(
    [lambda body: base64.b64encode(body).decode()] * 4 + [lambda body: base64.encodebytes(body).decode()]
)
NOT_BASE64 = (
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=100).map(
        lambda text: f"{{{text}"
    )
    | st.sampled_from([f"<{MARKER}>&amp;", "{" * 60_000, "===", "a"])
    | st.just(json.dumps({"videoId": MARKER}))
)


def contents(*samples: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return a strategy for contents of messages, each within the queue's size limit."""
    encoded = st.tuples(ENCODED, changed(*samples)).map(lambda pair: pair[0](pair[1]))
    return (encoded | encoded | encoded | NOT_BASE64).filter(lambda text: len(text.encode()) <= 64 * 1024)


def batches(*kinds: tuple[str, st.SearchStrategy[str]]) -> st.SearchStrategy[list[tuple[str, str]]]:
    one = st.one_of([st.tuples(st.just(queue), content) for queue, content in kinds])
    return st.lists(one, min_size=BATCH, max_size=BATCH)


@pytest.fixture(scope="module")
async def workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """The app with a process for each queue; the host redelivers after a second."""
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
    """Return the number of messages of a queue, including invisible ones."""
    properties = await app.stack.storage.queue(queue).get_queue_properties()
    return properties.approximate_message_count or 0


async def keep_poison(app: RunningApp) -> None:
    """Run the timer that rewrites the host's poison messages."""
    http = RawHttp(app.host.url)
    headers = [(b"x-functions-key", app.stack.master_key.encode()), (b"content-type", b"application/json")]
    before = app.log.getvalue().count("poison kept=")
    assert (await http.post(b"/admin/functions/keep_poison", headers, b'{"input": ""}')).status == 202
    await eventually(
        lambda: app.log.getvalue().count("poison kept=") > before, "the timer has run", app.log.getvalue
    )
    await http.close()


async def take_poison(app: RunningApp, queue: str, *, most: int) -> Counter[bytes]:
    """Take the originals of all poison messages; check that each has a reason and never expires."""
    found = Counter[bytes]()
    messages = await taken(app.stack.storage.queues.get_queue_client(f"{queue}-poison"))
    assert len(messages) <= most
    for message in messages:
        poisoned = json.loads(base64.b64decode(message.content, validate=True))
        assert never_expires(message)
        assert poisoned["reason"]
        assert poisoned["reason"] != CRASHED
        assert MARKER not in poisoned["reason"]
        assert datetime.fromisoformat(poisoned["poisonedAt"]).tzinfo is not None
        found[poison.original(message.content)] += 1
    return found


async def settle(app: RunningApp, sent: list[tuple[str, str]], left: Mapping[str, int]) -> None:
    """Send messages; wait until all were processed and each queue has the messages of `left`."""
    before = done(app, *left)
    for queue, content in sent:
        await app.stack.storage.queues.get_queue_client(queue).send_message(content)

    async def quiet() -> bool:
        if done(app, *left) - before < len(sent):
            return False
        return [await depth(app, queue) for queue in left] == [*left.values()]

    await eventually(quiet, f"the queues have {left}", app.log.getvalue)
    await keep_poison(app)


def done(app: RunningApp, *queues: str) -> int:
    """Return how many messages of these queues were processed or were not base64."""
    log = app.log.getvalue()
    runs = [f"Executed {queue.replace('-', '_')} (" for queue in queues]
    return sum(log.count(text) for text in (*runs, "is not base64"))


def body_of(content: str) -> bytes | None:
    """Return a message's bytes, or None if it is not base64."""
    try:
        return poison.from_base64(content)
    except ValueError:
        return None


JOBS = contents(job_fields(), job_fields(attempts=1, later=[MARKER]), job_fields(jobVersion=2, later=1))


@BATCHES
@given(batches((layout.EXTRACTION_QUEUE, JOBS), (layout.BACKFILL_QUEUE, JOBS)))
async def test_a_message_is_processed_or_deferred_or_poisoned_with_a_reason(
    workers: RunningApp, batch: list[tuple[str, str]]
) -> None:
    left = Counter({layout.EXTRACTION_QUEUE: 0, layout.BACKFILL_QUEUE: 0})
    poison_of = {queue: Counter[bytes]() for queue in left}
    for queue, content in batch:
        body = body_of(content)
        if body is None:
            poison_of[queue][content.encode()[: poison.MAX_BODY]] += 1
            continue
        try:
            job = jobs.decode(body)
        except NewerMessageError as error:
            if error.received_at and (datetime.now(UTC) - error.received_at).days < 1:
                left[queue] += 1  # a newer instance may process it
            else:
                poison_of[queue][body[: poison.MAX_BODY]] += 1
        except InvalidMessageError:
            poison_of[queue][body[: poison.MAX_BODY]] += 1
        else:
            # The first not-found defers the job; the second one ends it.
            left[queue] += job.not_found == 0
    await settle(workers, batch, left)
    for queue in left:
        assert await take_poison(workers, queue, most=BATCH) == poison_of[queue]
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
async def test_a_page_is_processed_or_poisoned_with_a_reason(
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
    await settle(workers, batch, dict.fromkeys(READ_PAGE, 0))
    sent = Counter(body_of(content) for _, content in batch)
    for queue, expected in unreadable.items():
        found = await take_poison(workers, queue, most=BATCH)
        assert expected <= found
        # The others are pages that can't be processed, for example with a marker that storage does not know.
        assert found - expected <= sent

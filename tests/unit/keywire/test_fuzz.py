"""Property tests of everything that reads input: malformed input is refused as documented, or it is harmless."""

import base64
import json
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keywire import ids
from keywire.documents import document as documents
from keywire.documents.content import Content, read_content
from keywire.health.queue_depths import QueueDepths
from keywire.jobs import job as jobs
from keywire.jobs import poison, retry_policy
from keywire.jobs.job import ExtractionJob
from keywire.jobs.message import InvalidMessageError, NewerMessageError
from keywire.operations import backfill_orders, rematch_orders, replay
from keywire.operations.backfill_orders import BackfillRequest, InvalidBackfillError
from keywire.operations.rematch_orders import InvalidRematchError
from keywire.operations.replay import InvalidReplayError
from keywire.signals import callback_urls, indexing_log
from keywire.signals.callback import InvalidCallbackError, read_callback
from keywire.signals.callback_urls import InvalidRequestError, InvalidTokenError
from keywire.video_indexer import errors, index, listing
from keywire.video_indexer.errors import TransientError, UnusableError, VideoIndexerError
from tests.support import builders
from tests.support.builders import ACCOUNT_ID
from tests.support.hostile import MARKER, NOT_JSON, TEXTS, VALUES, changed
from tests.support.log_records import audit, record

# A failing case may have a very long text.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
KEY = b"k" * 32
MAX_MESSAGE = 64 * 1024  # the queue's limit, in base64
OPERATION = "0123456789abcdef" * 2
JOB = ExtractionJob(
    video_id="12345abcde",
    job_id="j1",
    signal="callback",
    received_at=NOW,
    attempts=1,
    last_error="503",
    as_of=NOW,
    reference="cms-1",
    traceparent="00-1-2-01",
)
JOB_FIELDS: dict[str, Any] = json.loads(jobs.encode(JOB))
NEWER_FIELDS = JOB_FIELDS | {"jobVersion": 2, "later": {"a": [1]}}
KEYWORD = builders.keyword("festival")
INDEX: dict[str, Any] = json.loads(builders.index([KEYWORD, KEYWORD]))
FAILED: dict[str, Any] = json.loads(builders.index(None, state="Failed"))
LIST = {
    "results": [{"id": "a", "state": "Processed", "created": "2026-03-02T09:15:00Z", "lastIndexed": None}],
    "nextPage": {"pageSize": 1, "skip": 1, "done": False},
}
ERRORS: list[dict[str, Any]] = [
    {"ErrorType": "VIDEO_REMOVED", "Message": "it was"},
    {"error": {"code": "AuthorizationFailed", "message": "no"}},
    {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 7 seconds."},
]


def result_of[T, E: Exception](read: Callable[[], T], *refusals: type[E]) -> T | E:
    """Return what `read` returns, or the refusal that it raises; any other exception fails the test."""
    try:
        return read()
    except refusals as error:
        return error


def fits(text: str) -> bool:
    return len(in_base64(text)) <= MAX_MESSAGE


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def quotes_nothing(error: Exception) -> bool:
    return MARKER not in str(error) and len(str(error)) < 200


@given(changed(JOB_FIELDS, NEWER_FIELDS))
def test_any_message_is_a_job_that_can_be_encoded_again_or_refused(body: bytes) -> None:
    job = result_of(lambda: jobs.decode(body), InvalidMessageError)
    if isinstance(job, InvalidMessageError):
        assert quotes_nothing(job)
        assert (
            not isinstance(job, NewerMessageError) or job.received_at is None or job.received_at.tzinfo is UTC
        )
        return
    assert ids.is_video_id(job.video_id)
    assert jobs.decode(jobs.encode(job).encode()) == job
    assert fits(jobs.encode(job))


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_unknown_fields_of_a_newer_instance_are_kept(later: dict[str, Any]) -> None:
    known = JOB_FIELDS.keys() | {"messageVersion"}
    fields = JOB_FIELDS | {name: value for name, value in later.items() if name not in known}
    try:
        body = msgspec.json.encode(fields)
    except UnicodeEncodeError:
        return  # a newer version cannot write a lone surrogate either
    assume(len(body) <= jobs.MAX_BYTES)
    job = result_of(lambda: jobs.decode(body), InvalidMessageError)
    if isinstance(job, InvalidMessageError):
        assert "out of range" in str(job)
        return
    deferred = json.loads(jobs.encode(msgspec.structs.replace(job, attempts=7)))
    assert deferred == json.loads(body) | {"attempts": 7}


@given(changed(JOB_FIELDS, NEWER_FIELDS), TEXTS, st.integers(0, 5))
def test_any_poison_message_fits_the_queue_and_can_be_restored(body: bytes, reason: str, tries: int) -> None:
    kept = poison.encode(poison.from_body(body, reason, now=NOW, tries=tries))
    assert fits(kept)
    assert poison.original(in_base64(kept)) == body[: poison.MAX_BODY]
    assert (len(body) > poison.MAX_BODY) == (f"of {len(body)} bytes" in json.loads(kept)["reason"])
    job = result_of(lambda: jobs.decode(body), InvalidMessageError)
    if isinstance(job, ExtractionJob):
        kept = poison.encode(poison.from_message(jobs.encode(job), reason, now=NOW, tries=tries))
        assert fits(kept)
        assert jobs.decode(poison.original(in_base64(kept))) == job


def test_the_longest_reason_with_the_longest_message_or_job_fits_the_queue() -> None:
    reason = "\x01" * 5000  # JSON escapes each character with six
    kept = poison.encode(poison.from_body(b"\xff" * MAX_MESSAGE, reason, now=NOW, tries=5))
    assert fits(kept)
    assert len(kept) > 0.9 * 48 * 1024  # the limits are not too low either
    longest = jobs.encode(JOB)[:-1] + ',"later":"'
    longest += "x" * (jobs.MAX_BYTES - len(longest) - 2) + '"}'
    job = jobs.decode(longest.encode())
    assert fits(poison.encode(poison.from_message(jobs.encode(job), reason, now=NOW, tries=5)))
    with pytest.raises(InvalidMessageError):
        jobs.decode(longest.encode() + b" ")


@given(TEXTS | NOT_JSON.map(lambda body: base64.b64encode(body).decode()))
def test_any_content_of_a_poison_queue_gives_a_message(content: str) -> None:
    assert isinstance(poison.original(content.encode("utf-8", "replace").decode()), bytes)


@given(changed(JOB_FIELDS, NEWER_FIELDS).map(lambda body: base64.b64encode(body).decode()) | TEXTS)
@example("e30ß")
@example(base64.b64encode(b'{"x":' + b"[" * 30_000).decode())
async def test_the_depth_of_a_queue_can_be_read_with_any_message(content: str) -> None:
    class Queue:
        async def get_queue_properties(self) -> SimpleNamespace:
            return SimpleNamespace(approximate_message_count=1)

        async def peek_messages(self, max_messages: int) -> list[SimpleNamespace]:
            return [SimpleNamespace(content=content, inserted_on=NOW)]

    queues: Any = {"extraction": Queue()}
    depth = (await QueueDepths(queues=queues, clock=lambda: NOW).read())["extraction"]
    assert (depth.messages, depth.oldest_seconds) == (1, 0.0)


QUERIES = st.dictionaries(
    st.sampled_from(["id", "ID", "state", "State", "faceId", "personName", "projectName", "code"]) | TEXTS,
    st.sampled_from(["12345abcde", "Processed", "Failed", "mine,12345abcde", "a,b,Processed"]) | TEXTS,
    max_size=6,
)


@given(QUERIES, st.none() | TEXTS)
def test_a_job_has_only_the_id_of_a_query(query: dict[str, str], traceparent: str | None) -> None:
    def read() -> object:
        return read_callback(query, job_id="j1", received_at=NOW, traceparent=traceparent)

    job = result_of(read, InvalidCallbackError)
    if isinstance(job, InvalidCallbackError):
        assert quotes_nothing(job)
    elif isinstance(job, ExtractionJob):
        assert ids.is_video_id(job.video_id)
        assert job == ExtractionJob(
            video_id=job.video_id, job_id="j1", signal="callback", received_at=NOW, traceparent=traceparent
        )


TOKEN = callback_urls.issue([KEY], "cms-1", NOW + timedelta(days=1))


@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)), TEXTS | st.text(string.ascii_letters + "-_."))
def test_only_the_unchanged_token_verifies(start: int, end: int, pasted: str) -> None:
    token = TOKEN[:start] + pasted + TOKEN[end:]
    claims = result_of(lambda: callback_urls.verify([KEY], token, NOW), InvalidTokenError)
    if isinstance(claims, InvalidTokenError):
        assert quotes_nothing(claims)
    else:
        assert (token, claims.reference) == (TOKEN, "cms-1")


HOUR = {"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T09:00:00Z"}
REQUESTS: dict[str, tuple[Callable[[bytes], object], type[ValueError], dict[str, Any]]] = {
    "callback URL": (callback_urls.read_request, InvalidRequestError, {"reference": "cms-1", "ttl": 60}),
    "replay of videos": (replay.read_request, InvalidReplayError, {"videos": ["a", "b"], "dryRun": True}),
    "replay of poison": (replay.read_request, InvalidReplayError, {"poison": "extraction"}),
    "replay of a time": (replay.read_request, InvalidReplayError, HOUR),
    "backfill": (backfill_orders.read_request, InvalidBackfillError, HOUR),
    "rematch": (rematch_orders.read_request, InvalidRematchError, {"interests": ["film"], "dryRun": False}),
}


@pytest.mark.parametrize(("read", "refusal", "sample"), REQUESTS.values(), ids=REQUESTS)
@given(st.data())
def test_any_request_of_an_operator_is_read_or_refused(
    read: Callable[[bytes], object], refusal: type[ValueError], sample: dict[str, Any], data: st.DataObject
) -> None:
    body = data.draw(changed(sample))
    request = result_of(lambda: read(body), refusal)
    if isinstance(request, refusal):
        assert str(request).startswith("not a ")
        return
    assert msgspec.json.encode(request)
    if isinstance(request, BackfillRequest):
        assert all(edge.astimezone(UTC) for edge in (request.period.after, request.period.before) if edge)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_backfill_with_a_time_outside_of_utc_is_refused(moment: str) -> None:
    with pytest.raises(InvalidBackfillError, match="out of range"):
        backfill_orders.read_request(json.dumps({"from": moment}).encode())


PAGES: dict[str, tuple[Callable[[bytes], Any], type[ValueError], dict[str, Any]]] = {
    "backfill": (
        backfill_orders.decode_page,
        InvalidMessageError,
        {
            "operationId": OPERATION,
            "request": {"from": "2026-03-02T08:00:00Z"},
            "traceparent": None,
            "cursor": {"skip": 5, "pages": 1, "tail": ["a"], "stepsBack": 0},
            "messageVersion": 1,
        },
    ),
    "rematch": (
        rematch_orders.decode_page,
        InvalidMessageError,
        {
            "operationId": OPERATION,
            "request": {"interests": ["england-film"]},
            "traceparent": None,
            "page": 2,
            "marker": "1!8!x",
            "messageVersion": 1,
        },
    ),
}


@pytest.mark.parametrize(("read", "refusal", "sample"), PAGES.values(), ids=PAGES)
@given(st.data())
def test_any_message_is_a_page_with_an_operation_id_or_refused(
    read: Callable[[bytes], Any], refusal: type[ValueError], sample: dict[str, Any], data: st.DataObject
) -> None:
    body = data.draw(changed(sample))
    page = result_of(lambda: read(body), refusal)
    if isinstance(page, ValueError):
        assert quotes_nothing(page)
        return
    assert len(page.operation_id) == 32
    assert set(page.operation_id) <= set("0123456789abcdef")
    assert read(msgspec.json.encode(page)) == page


def test_the_longest_request_for_a_rematch_fits_its_poison_message() -> None:
    names = [f"{number:04d}" + "x" * 60 for number in range(1000)]
    with pytest.raises(InvalidRematchError, match="too many"):
        rematch_orders.read_request(json.dumps({"interests": names}).encode())
    longest = rematch_orders.read_request(json.dumps({"interests": names[:400]}).encode())
    page = rematch_orders.RematchPage(
        operation_id=OPERATION, request=longest, traceparent="0" * 55, marker="x" * 1024
    )
    assert len(msgspec.json.encode(page)) <= poison.MAX_BODY


@pytest.mark.parametrize("name", get_args(replay.PoisonedQueue.__value__))
def test_every_poison_queue_can_be_replayed(name: str) -> None:
    assert replay.read_request(json.dumps({"poison": name}).encode()).poison == name


@given(changed({"records": [record(), audit(), record()]}, {"records": record()}, record()))
def test_any_message_of_the_log_is_jobs_and_reasons(body: bytes) -> None:
    readings = indexing_log.read_message(
        body, account_id=ACCOUNT_ID, received_at=NOW, traceparent=None, new_job_id=lambda: "j1"
    )
    for reading in readings:
        if isinstance(reading, indexing_log.Signal):
            assert jobs.decode(jobs.encode(reading.job).encode()) == reading.job
        else:
            assert MARKER not in reading.reason
        if isinstance(reading, indexing_log.FailedRecord):
            assert fits(poison.encode(poison.from_body(reading.body, reading.reason, now=NOW, tries=1)))


def document_of(content: Content) -> documents.KeywordDocument:
    """Return the document of a content, encoded and decoded again."""
    document = documents.build(
        content,
        account_id=ACCOUNT_ID,
        video_id="12345abcde",
        previous=None,
        failure_message=None,
        extracted_at=NOW,
    )
    return documents.decode(documents.encode(document))


@given(changed(INDEX, FAILED, INDEX["videos"][0]["insights"]))
@example(json.dumps(INDEX | {"durationInSeconds": 10**400}).encode())
@example(b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
def test_any_answer_becomes_a_document_or_a_typed_error(body: bytes) -> None:
    content = result_of(lambda: read_content(index.parse(body)), TransientError, UnusableError)
    if isinstance(content, Content):
        document = document_of(content)
        assert len(documents.keywords_of(document)) == len(document.keywords)
    else:
        assert quotes_nothing(content)


@given(changed(KEYWORD, bodies=False))
@example(json.dumps(KEYWORD | {"confidence": 10**400}).encode())
def test_an_unusable_keyword_does_not_affect_others(odd: bytes) -> None:
    good = json.dumps(KEYWORD).encode()
    body = builders.index(["first", "odd", "last"]).replace(b'"first"', good).replace(b'"last"', good)
    content = read_content(index.parse(body.replace(b'"odd"', odd)))
    assert len(content.keywords) + content.unreadable_keywords == 3
    assert len(documents.keywords_of(document_of(content))) == len(content.keywords) >= 2


@given(changed(LIST), st.integers(0, 10**6), st.integers(1, 1000))
def test_any_answer_is_a_page_of_videos_or_a_transient_error(body: bytes, skip: int, page_size: int) -> None:
    page = result_of(lambda: listing.parse(body, skip=skip, page_size=page_size), TransientError)
    if isinstance(page, TransientError):
        assert quotes_nothing(page)
        return
    assert all(ids.is_video_id(video.id) for video in page.videos)
    assert page.next_skip is None or page.next_skip > skip


STATUSES = st.sampled_from([429, 429, 400, 401, 403, 404, 409, 503]) | st.integers(300, 599)
WAITS = st.none() | st.sampled_from(["9" * 20, "9" * 400, "٣", "0", "Wed, 21 Oct 2026 07:28:00 GMT"]) | TEXTS
SOON = st.integers(1, 400).map(lambda digits: f'{{"message": "Try again in {"9" * digits} seconds."}}')


@given(STATUSES, WAITS, changed(*ERRORS) | SOON.map(str.encode))
@example(429, "9" * 400, b"")
@example(429, None, b'{"message": "try again in ' + b"9" * 400 + b' seconds"}')
@example(400, None, b"[" * 100_000)
@example(400, None, json.dumps({"ErrorType": f"{MARKER}\r\n"}).encode())
def test_any_error_answer_defers_or_dead_letters_the_job(status: int, wait: str | None, body: bytes) -> None:
    headers = httpx.Headers([] if wait is None else [(b"retry-after", wait.encode("utf-8", "replace"))])
    error = errors.from_response("GetVideoIndex", status, headers, body)
    assert isinstance(error, VideoIndexerError)
    assert quotes_nothing(error)
    assert str(error).isprintable()
    decision = retry_policy.decide(JOB, error, now=NOW, jitter=lambda: 1.0)
    if isinstance(decision, retry_policy.Defer):
        assert decision.delay < timedelta(days=7)  # the queue's limit
        assert fits(jobs.encode(decision.message))

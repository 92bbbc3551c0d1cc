"""Any request to the app gets a response below 500, and queues a job exactly if it is 202."""

import base64
import json
import re
import string
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keywire import ids
from keywire.signals import callback_urls
from keywire.storage import layout
from tests.support.fuzzing import Answer, RawHttp, RunningApp, running_app, taken
from tests.support.hostile import MARKER, TEXTS, changed

# A case that failed is printed whole.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
REFERENCE = "campaign of Montoya!"


ANSWERS = {"keyed": {200, 202, 400, 401}, "signed": {200, 202, 400, 401}, "operation": {200, 202, 400}}


class Target:
    """The app's HTTP process alone, so that jobs stay on the queue."""

    def __init__(self, app: RunningApp) -> None:
        self.app = app
        self.http = RawHttp(app.host.url)
        self.key = app.stack.function_key.encode()
        self.queue = app.stack.storage.queue(layout.EXTRACTION_QUEUE)
        self.answers: Counter[tuple[str, int]] = Counter()
        keys = callback_urls.read_keys(app.stack.signing_key)
        now = datetime.now(UTC)
        self.tokens = [
            callback_urls.issue(keys, reference, now + timedelta(seconds=seconds))
            for reference, seconds in ((REFERENCE, 86_400), (None, 86_400), (REFERENCE, -1))
        ] + [callback_urls.issue([b"o" * 32], REFERENCE, now + timedelta(days=1))]

    async def callback(
        self, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[Answer, dict[str, Any] | None]:
        """Call back; return the response and the job that it queued."""
        answer = await self.http.post(path + query, headers, body)
        queued = [json.loads(base64.b64decode(message.content)) for message in await taken(self.queue)]
        assert answer.status < 500
        assert len(queued) == (answer.status == 202)
        assert answer.status in {200, 202, 400, 401, 404}
        return answer, queued[0] if queued else None


@pytest.fixture(scope="module")
async def target() -> AsyncIterator[Target]:
    async with running_app() as app:
        target = Target(app)
        yield target
        await target.http.close()
        # The inputs are good enough only if they caused each of these responses.
        for kind in {kind for kind, _ in target.answers}:
            assert ANSWERS[kind] <= {status for each, status in target.answers if each == kind}
        stack = app.stack
        tokens = [part for token in target.tokens for part in token.split(".")]
        app.check("Montoya", stack.function_key, stack.signing_key, *tokens)


def check_job(answer: Answer, job: dict[str, Any] | None, query: bytes, reference: str | None) -> None:
    """Check that a job has the agreed fields, and only the video id from the query."""
    if job is None:
        return
    said = json.loads(answer.body)
    assert said == {"status": "queued", "videoId": job["videoId"], "jobId": job["jobId"]}
    assert ids.is_video_id(job["videoId"])
    assert job["videoId"].encode() in unquote_to_bytes(query)
    assert TRACEPARENT.fullmatch(job.pop("traceparent"))
    assert abs(datetime.now(UTC) - datetime.fromisoformat(job.pop("receivedAt"))) < timedelta(minutes=1)
    assert job == {
        "videoId": said["videoId"],
        "jobId": said["jobId"],
        "signal": "callback",
        "attempts": 0,
        "notFound": 0,
        "firstFailedAt": None,
        "lastError": None,
        "asOf": None,
        "reference": reference,
        "destination": None,
        "jobVersion": 1,
    }


WRITTEN = st.sampled_from(
    [
        lambda text: quote(text, errors="replace"),
        lambda text: quote_plus(text, errors="replace"),
        lambda text: quote(quote(text, errors="replace")),
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace")),
        lambda text: re.sub(r"[\s#\x00-\x20\x7f]", "", text),
    ]
)
PARAMETERS = st.one_of(
    st.tuples(
        st.sampled_from(["id", "id", "ID", "iD"]), st.sampled_from(["12345abcde", "a_-b", "../etc"]) | TEXTS
    ),
    st.tuples(
        st.sampled_from(["state", "state", "State"]),
        st.sampled_from(["Processed", "Failed", "processed", "Processing", MARKER]),
    ),
    st.tuples(st.sampled_from(["personName", "faceId", "code", "x", "state", "id"]), st.just(MARKER) | TEXTS),
    st.tuples(TEXTS, TEXTS),
)
NOISE = st.binary(max_size=12).map(lambda noise: re.sub(rb"[\s#\x00-\x20\x7f]", b"", noise))


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """A query string in any spelling, mostly almost valid."""
    good = [("id", "12345abcde"), ("state", "Processed")]
    pairs = draw(st.lists(PARAMETERS, max_size=4))
    pairs = [*pairs, *good] if draw(st.booleans()) else [*good[: draw(st.integers(0, 2))], *pairs]
    written = [
        f"{draw(WRITTEN)(name)}{draw(st.sampled_from(['=', '=', '=', '', '==']))}{draw(WRITTEN)(value)}"
        for name, value in pairs
    ]
    query = draw(st.sampled_from(["&", "&", "&&", ";"])).join(written).encode("utf-8", "replace")
    place = draw(st.integers(0, len(query)))
    if draw(st.integers(0, 9)) == 0:
        query = (
            query[:place]
            + draw(NOISE | st.sampled_from([b"%", b"%2", b"%zz", b"%00", b"%ff"]))
            + query[place:]
        )
    return b"&" + query


VISIBLE = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=20)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Content-Type", "traceparent", "tracestate", "X-Forwarded-For", "Accept", "Cookie", "X-Name"]
        )
        | VISIBLE.map(lambda name: f"X-{name}"),
        st.sampled_from(
            [
                *("application/json", "multipart/form-data; boundary=x", "gzip", MARKER, "", "ß", "x" * 4000),
                *("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-" + "0" * 32, "ff-1-2-3"),
            ]
        ),
    ).map(lambda header: (header[0].encode(), header[1].encode())),
    max_size=4,
)
BODIES = (
    st.binary(max_size=300)
    | st.just(MARKER.encode())
    | st.sampled_from(
        [b"", json.dumps({"id": "12345abcde", "personName": MARKER}).encode(), b"\xff" * 300_000]
    )
)


@given(queries(), HEADERS, BODIES, st.sampled_from([b"code=KEY"] * 8 + [b"code=%4bEY", b"", b"CODE=KEY"]))
@example(b"&id=a&state=Processed", [], b"", b"code=KEY")
@example(b"&id=a&state=Processing", [], b"", b"code=KEY")
@example(b"&state=Processed", [], b"", b"code=KEY")
@example(b"&id=a&state=Processed", [], b"", b"code=wrong")
async def test_a_callback_gets_a_response_and_queues_at_most_one_job(
    target: Target, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, key: bytes
) -> None:
    path = b"/api/video-indexer/callback?" + key.replace(b"KEY", target.key)
    answer, job = await target.callback(path, query, headers, body)
    target.answers["keyed", answer.status] += 1
    check_job(answer, job, query, None)


@st.composite
def token_changes(draw: st.DrawFn) -> tuple[int, int, bytes, int, int]:
    """The arguments of `change` that follow `tokens`."""
    pasted = draw(TEXTS.map(lambda text: quote(text, errors="replace").encode()) | NOISE | st.just(b""))
    return (
        draw(st.sampled_from([0, 0, 0, 1, 2, 3])),
        draw(st.sampled_from([0, 0, 0, 0, 1, 2])),
        pasted,
        draw(st.integers(0, 80)),
        draw(st.integers(0, 80)),
    )


def change(tokens: list[str], which: int, how: int, pasted: bytes, start: int, end: int) -> bytes:
    """Return a token unchanged (`how` 0), with a part replaced (1), or with another token's signature (2)."""
    token = tokens[which].encode()
    if how == 1:
        return token[:start] + pasted + token[end:]
    if how == 2:
        return token.partition(b".")[0] + b"." + tokens[(which + 1) % len(tokens)].encode().partition(b".")[2]
    return token


@given(token_changes(), queries(), HEADERS, BODIES)
@example((0, 0, b"", 0, 0), b"&id=a&state=Processed", [], b"")
@example((1, 0, b"", 0, 0), b"&id=a&state=Processing", [], b"")
@example((0, 0, b"", 0, 0), b"&id=..&state=Processed", [], b"")
@example((2, 0, b"", 0, 0), b"&id=a&state=Processed", [], b"")
@example((0, 2, b"", 0, 0), b"&id=a&state=Processed", [], b"")
async def test_only_an_issued_token_queues_a_job(
    target: Target,
    changes: tuple[int, int, bytes, int, int],
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    which, how, pasted, start, end = changes
    path = change(target.tokens, which, how, pasted, start, end)
    answer, job = await target.callback(
        b"/api/video-indexer/callback/" + path + b"?", query[1:], headers, body
    )
    target.answers["signed", answer.status] += 1
    opened = unquote(path.decode("latin-1")).strip("/") in target.tokens[:2]
    assert opened or answer.status in {400, 401, 404}
    assert (answer.status == 401) <= (not opened)
    reference = REFERENCE if unquote(path.decode("latin-1")).strip("/") == target.tokens[0] else None
    check_job(answer, job, query, reference)


HOUR = {"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T09:00:00Z"}
OPERATIONS: dict[str, list[dict[str, Any]]] = {
    "replay": [{"videos": ["a", "b"]}, {"poison": "extraction"}, HOUR, {"videos": ["a"], "dryRun": True}],
    "rematch": [{"interests": ["film"], "dryRun": True}, {}],
    "backfill": [HOUR, {}],
    "callback-url": [{"reference": REFERENCE, "ttl": 60}, {}],
}
QUEUED = {
    "replay": layout.EXTRACTION_QUEUE,
    "rematch": layout.REMATCH_QUEUE,
    "backfill": layout.BACKFILL_PAGES_QUEUE,
}


@given(
    st.sampled_from([*OPERATIONS]).flatmap(lambda name: st.tuples(st.just(name), changed(*OPERATIONS[name]))),
    HEADERS,
)
@example(("callback-url", b""), [])
@example(("rematch", b""), [])
@example(("backfill", b""), [])
@example(("replay", b'{"videos": ["a"]}'), [])
@example(("replay", b""), [])
async def test_an_operation_is_accepted_or_refused(
    target: Target, operation: tuple[str, bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    name, body = operation
    key = (b"x-functions-key", target.key)
    answer = await target.http.post(f"/api/operations/{name}".encode(), [key, *headers], body)
    target.answers["operation", answer.status] += 1
    assert answer.status in {200, 202, 400}
    said = json.loads(answer.body)
    assert answer.status != 400 or said["error"].startswith("not a ")
    if name in QUEUED:
        queued = await taken(target.app.stack.storage.queue(QUEUED[name]))
        expected = said["jobs"] * (not said["dryRun"]) if answer.status == 200 else answer.status == 202
        assert len(queued) == expected

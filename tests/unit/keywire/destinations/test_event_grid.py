"""The SDK between the stored bytes and the topic: the same JSON value arrives, whatever it is made of."""

import asyncio
import json
import string
from typing import Any, Self, cast

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ServiceRequestTimeoutError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.settings import settings
from azure.core.tracing import AbstractSpan
from hypothesis import given
from hypothesis import strategies as st

from emulators.event_grid.cloud_events import MAX_BYTES
from emulators.event_grid.in_process import InProcessTopic
from keywire.destinations.event_grid import MAX_BODY_BYTES, EventGridTopic, connect
from keywire.jobs.retry_policy import is_dependency_failure
from keywire.video_indexer.errors import MisconfiguredError, ThrottledError, UnusableError

ENDPOINT = "https://topic.test/api/events"
LARGEST_EVENT = 48 * 1024


class Credential:
    """An identity that the topic lets in, or not."""

    def __init__(self, topic: InProcessTopic, audience: str) -> None:
        self._token = topic.token(aud=audience, exp=9_999_999_999)

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://eventgrid.azure.net/.default",)
        return AccessToken(self._token, 9_999_999_999)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Answer:
    """What the pipeline asks of an answer."""

    def __init__(self, answer: httpx.Response, request: Any) -> None:
        self.status_code, self.reason, self.headers = answer.status_code, answer.reason_phrase, answer.headers
        self.content_type = answer.headers.get("content-type")
        self.request, self.content = request, answer.content

    def body(self) -> bytes:
        return self.content

    def text(self, encoding: str | None = None) -> str:
        return self.content.decode()


class InProcess(AsyncHttpTransport[Any, Any]):
    """Carries the SDK's requests to a topic without a socket, and keeps their bodies."""

    def __init__(self, topic: InProcessTopic) -> None:
        self._topic = topic
        self.bodies: list[bytes] = []

    async def send(self, request: Any, **_: Any) -> Any:
        content = request.body.encode()
        assert int(request.headers["Content-Length"]) == len(content)
        self.bodies.append(content)
        answer = await self._topic.client.request(
            request.method, request.url, content=content, headers=dict(request.headers)
        )
        return Answer(answer, request)

    async def sleep(self, duration: float) -> None:
        """The waits between tries take no time here, those that the service asks for no end."""
        if duration > 4:
            await asyncio.Event().wait()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Published:
    """A publisher and what it publishes to."""

    def __init__(self, audience: str = "https://eventgrid.azure.net", patience_seconds: float = 30.0) -> None:
        self.topic = InProcessTopic()
        self.transport = InProcess(self.topic)
        client = connect(ENDPOINT, Credential(self.topic, audience), transport=self.transport)
        self.publisher = EventGridTopic(client, patience_seconds=patience_seconds)

    async def arrived(self) -> list[Any]:
        return [entry["event"] for entry in (await self.topic.client.get("/emulator/events")).json()]


def event(**changed: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "0190a3c5-0000-5000-8000-000000000000",
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom",
        "type": "keywire.keywords.extracted.v1",
        "subject": "videos/12345abcde",
        "time": "2026-03-04T05:06:07.123456Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:keywire:schema:keywire.keywords.extracted.v1",
        "sequence": "000000001",
        "partitionkey": "12345abcde",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {"keywords": []},
    } | changed


def stored(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sized(number: int, letter: str = "x", size: int = LARGEST_EVENT) -> bytes:
    """An event of exactly so many bytes."""
    bare = stored(event(id=str(number), data=""))
    room = size - len(bare)
    return stored(
        event(
            id=str(number), data=letter * (room // len(letter.encode())) + "x" * (room % len(letter.encode()))
        )
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
TIMES = st.sampled_from(
    [
        "2026-03-04T05:06:07.123456Z",
        "2026-03-04T05:06:07.120000Z",
        "2026-03-04T05:06:07.000001Z",
        "2026-03-04T05:06:07Z",
        "2026-03-04T05:06:07.5+02:00",
    ]
)
NAMES = st.text(string.ascii_lowercase, min_size=1).filter(lambda name: name not in event())
EVENTS = st.builds(
    lambda extensions, data, time, subject: event(data=data, time=time, subject=subject) | extensions,
    st.dictionaries(NAMES, st.text() | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=3),
    JSON,
    TIMES,
    st.text(min_size=1),
)


@given(st.lists(EVENTS, min_size=1, max_size=3))
async def test_what_arrives_is_what_was_stored(events: list[dict[str, Any]]) -> None:
    published = Published()

    await published.publisher.publish([stored(each) for each in events])

    assert json.loads(published.transport.bodies[0]) == events
    assert await published.arrived() == events


@pytest.mark.parametrize(
    "absent", ["time", "subject", "dataschema", "datacontenttype", "traceparent", "data"]
)
async def test_what_an_event_does_not_have_is_not_made_up(absent: str) -> None:
    published = Published()
    value = {name: member for name, member in event().items() if name != absent}

    await published.publisher.publish([stored(value)])

    assert await published.arrived() == [value]


async def test_the_sdk_s_own_trace_context_stays_out_of_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the sending, and a replay would send something else than what is stored."""

    class Span:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.span_instance = self

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def add_attribute(self, *_: object) -> None: ...

        def set_http_attributes(self, *_: object, **__: Any) -> None: ...

        def finish(self) -> None: ...

        def to_header(self) -> dict[str, str]:
            return {"traceparent": "00-1-2-01", "tracestate": "vendor=1"}

        @classmethod
        def change_context(cls, _: object) -> "Span":
            return cls()

    value = {name: member for name, member in event().items() if name != "traceparent"}
    published = Published()
    settings.tracing_implementation.set_value(cast("type[AbstractSpan[Any]]", Span))
    try:
        await published.publisher.publish([stored(value)])
    finally:
        settings.tracing_implementation.unset_value()

    assert await published.arrived() == [value]


@pytest.mark.parametrize("letter", ["x", "é", "映", "😀", "\x7f"])
async def test_requests_are_as_few_and_as_large_as_the_service_takes(letter: str) -> None:
    """Counted as they are sent: escaped, a letter is up to three times as long as it was stored."""
    published = Published()
    events = [sized(number, letter) for number in range(50)]

    await published.publisher.publish(events)

    sizes = [len(body) for body in published.transport.bodies]
    assert max(sizes) <= MAX_BODY_BYTES < MAX_BYTES
    assert len(sizes) > 1
    one = len(json.dumps(json.loads(events[0]))) + 2
    assert all(MAX_BODY_BYTES - size < one + 2 for size in sizes[:-1])
    assert [each["id"] for each in await published.arrived()] == [str(number) for number in range(50)]


async def test_the_size_of_a_request_is_known_to_the_byte() -> None:
    """Two events that fill a request, and one byte more that makes it two."""
    half = len(json.dumps(json.loads(sized(1))))
    spare = MAX_BODY_BYTES - 2 * (half + len(", "))
    for more, requests in ((0, 1), (1, 2)):
        published = Published()
        large = event(id="2", data="x" * (len(json.loads(sized(1))["data"]) + spare + more))
        await published.publisher.publish([sized(1), stored(large)])
        assert len(published.transport.bodies) == requests
        assert sum(map(len, published.transport.bodies)) == MAX_BODY_BYTES + (0 if requests == 1 else 1)


async def test_nothing_is_sent_for_nothing() -> None:
    published = Published()

    await published.publisher.publish([])

    assert published.transport.bodies == []


async def test_a_passing_fault_is_tried_again() -> None:
    published = Published()
    await published.topic.client.post("/emulator/faults", json={"kind": "status", "status": 503, "count": 3})

    await published.publisher.publish([stored(event())])

    assert await published.arrived() == [event()]


async def test_a_lasting_fault_is_raised() -> None:
    published = Published()
    await published.topic.client.post("/emulator/faults", json={"kind": "status", "status": 503, "count": 9})

    with pytest.raises(HttpResponseError):
        await published.publisher.publish([stored(event())])

    assert len(published.transport.bodies) == 4
    assert await published.arrived() == []


async def test_the_service_may_not_make_a_job_wait_for_ever() -> None:
    published = Published(patience_seconds=0.05)
    fault = {"kind": "status", "status": 429, "retryAfter": 3600}
    await published.topic.client.post("/emulator/faults", json=fault)

    with pytest.raises(ServiceRequestTimeoutError):
        await published.publisher.publish([stored(event())])


async def test_a_failure_on_the_way_is_raised_and_the_rest_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller sends all of them again: consumers know them by their ids."""
    published = Published()
    events = [sized(number) for number in range(65)]
    sends = published.transport.send

    async def second_fails(request: Any, **options: Any) -> Any:
        if len(published.transport.bodies) == 1:
            await published.topic.client.post("/emulator/faults", json={"kind": "status", "status": 400})
        return await sends(request, **options)

    monkeypatch.setattr(published.transport, "send", second_fails)
    with pytest.raises(UnusableError) as raised:
        await published.publisher.publish(events)

    assert raised.value.status == 400
    assert len(published.transport.bodies) == 2
    first = len(await published.arrived())
    await published.publisher.publish(events)
    assert len(await published.arrived()) == first + len(events)


async def test_an_identity_that_is_not_let_in_is_an_error() -> None:
    published = Published(audience="https://storage.azure.com")

    with pytest.raises(MisconfiguredError, match="EventGrid Data Sender"):
        await published.publisher.publish([stored(event())])


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (403, {}, MisconfiguredError),
        (404, {}, MisconfiguredError),
        (413, {}, UnusableError),
        (408, {}, HttpResponseError),
        (429, {}, ThrottledError),
        (429, {"Retry-After": "3"}, ThrottledError),
        (502, {}, HttpResponseError),
    ],
)
async def test_an_answer_of_the_topic_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str], error: type[Exception]
) -> None:
    published = Published()

    async def answer(request: Any, **_: Any) -> Any:
        return Answer(httpx.Response(status, headers=headers), request)

    monkeypatch.setattr(published.transport, "send", answer)
    with pytest.raises(error) as raised:
        await published.publisher.publish([stored(event())])
    assert is_dependency_failure(raised.value)
    if isinstance(raised.value, ThrottledError):
        assert raised.value.retry_after == float(headers.get("Retry-After", "30"))


async def test_the_client_waits_seconds_and_leaves_the_environment_alone() -> None:
    """The SDK's own waits outlast a job's patience; each request would look for a netrc."""
    client: Any = connect(ENDPOINT, Credential(InProcessTopic(), ""))
    pipeline = client._client._client._client._pipeline
    retries = next(
        policy for policy in pipeline._impl_policies if type(policy).__name__ == "AsyncRetryPolicy"
    )
    transport = pipeline._transport

    assert (retries.total_retries, retries.backoff_factor) == (3, 1)
    assert (transport.connection_config.timeout, transport.connection_config.read_timeout) == (5, 20)
    assert transport._use_env_settings is False

"""Events from the publisher to a subscriber, with the SDK, an identity, TLS, webhooks and dead letters."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulators import identity
from emulators.framework.servers import serve
from keywire.destinations.event_grid import EventGridTopic, connect
from keywire.video_indexer.errors import MisconfiguredError, ThrottledError
from local import storage
from local.stack import LocalStack
from tests.support.waiting import eventually

ORIGIN = {"WebHook-Allowed-Origin": "eventgrid.azure.net"}


@dataclass
class Subscriber:
    """A webhook that responds with each of `statuses` in turn, then with 200."""

    statuses: list[int] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    async def answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            assert request.headers["WebHook-Request-Origin"] == "eventgrid.azure.net"
            return Response(headers=ORIGIN)
        event = json.loads(await request.body())
        self.attempts += 1
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.received.append(event)
        return Response(status_code=status)

    def ids(self) -> list[str]:
        return sorted(event["id"] for event in self.received)


@pytest.fixture(scope="module")
async def grid() -> AsyncIterator[LocalStack]:
    """The stack without the function app."""
    async with LocalStack(with_host=False) as running:
        yield running


@pytest.fixture
async def http(grid: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with grid.client() as client:
        yield client


@asynccontextmanager
async def publisher_as(stack: LocalStack, credential: AsyncTokenCredential) -> AsyncIterator[EventGridTopic]:
    # Other stacks use this process too, so its environment does not name the certificate authority.
    connector = aiohttp.TCPConnector(ssl=stack.ssl_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        connect(
            stack.app_environment()["EVENT_GRID_TOPIC_ENDPOINT"],
            credential,
            transport=AioHttpTransport(session=session, session_owner=False),
        ) as client,
    ):
        yield EventGridTopic(client)


@pytest.fixture
async def publisher(grid: LocalStack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EventGridTopic]:
    """A publisher with the app's managed identity."""
    environment = grid.app_environment()
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, environment[name])
    async with (
        ManagedIdentityCredential(client_id=identity.CLIENT_ID) as credential,
        publisher_as(grid, credential) as made,
    ):
        yield made


@asynccontextmanager
async def subscribed(
    stack: LocalStack, http: httpx.AsyncClient, name: str, subscriber: Subscriber, **wanted: Any
) -> AsyncIterator[None]:
    """Subscribe until the block ends."""
    app = Starlette(routes=[Route("/hook", subscriber.answer, methods=["OPTIONS", "POST"])])
    async with serve(app) as url:
        address = f"{stack.event_grid_url}/emulator/subscriptions/{name}"
        (await http.put(address, json={"endpoint": f"{url}/hook"} | wanted)).raise_for_status()
        try:
            yield
        finally:
            (await http.delete(address)).raise_for_status()


def event(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{number:03d}",
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.VideoIndexer/accounts/newsroom",
        "type": "keywire.keywords.extracted.v1",
        "subject": "videos/12345abcde",
        "time": "2026-03-04T05:06:07.120000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:keywire:schema:keywire.keywords.extracted.v1",
        "sequence": "000000001",
        "partitionkey": "12345abcde",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {"keywords": [{"text": "Ländervergleich 😀", "confidence": None, "score": 0.1}]},
    } | changed


def stored(*events: dict[str, Any]) -> list[bytes]:
    return [json.dumps(each, ensure_ascii=False).encode() for each in events]


async def test_a_subscriber_gets_the_stored_events(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    events = [event(number) for number in range(20)]
    subscriber = Subscriber()

    async with subscribed(grid, http, "all", subscriber):
        await publisher.publish(stored(*events))
        await eventually(lambda: len(subscriber.received) == len(events), "all events are delivered")

    assert sorted(subscriber.received, key=lambda each: str(each["id"])) == events


async def test_a_subscriber_gets_only_the_types_and_subjects_of_its_filter(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    everything, matches = Subscriber(), Subscriber()
    wanted = {"includedEventTypes": ["keywire.interest.matched.v1"], "subjectBeginsWith": "videos/abc/"}

    async with (
        subscribed(grid, http, "everything", everything),
        subscribed(grid, http, "matches", matches, **wanted),
    ):
        await publisher.publish(
            stored(
                event(1, type="keywire.interest.matched.v1", subject="videos/abc/interests/england"),
                event(2, type="keywire.interest.withdrawn.v1", subject="videos/abc/interests/england"),
                event(3, type="keywire.interest.matched.v1", subject="videos/xyz/interests/england"),
            )
        )
        await eventually(lambda: len(everything.received) == 3, "all events are delivered")
        await eventually(lambda: matches.received, "the match is delivered")

    assert matches.ids() == ["event-001"]


async def test_the_topic_retries_a_busy_subscriber(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    busy = Subscriber(statuses=[503, 503])

    async with subscribed(grid, http, "busy", busy, retrySeconds=[0.01]):
        await publisher.publish(stored(event(1)))
        await eventually(lambda: busy.received, "the event is delivered")

    assert (busy.attempts, busy.received) == (3, [event(1)])


async def test_an_event_that_no_delivery_attempt_places_is_dead_lettered_as_a_blob(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    refusing = Subscriber(statuses=[500, 500, 500])
    policy = {"retrySeconds": [0.01], "maxDeliveryAttempts": 2, "deadLetter": True}
    container = grid.storage.blobs.get_container_client(storage.DEAD_LETTERS_CONTAINER)

    async def letters() -> list[str]:
        return [name async for name in container.list_blob_names(name_starts_with="KEYWIRE-LOCAL/REFUSING/")]

    async with subscribed(grid, http, "refusing", refusing, **policy):
        await publisher.publish(stored(event(1)))
        [name] = await eventually(letters, "the dead letter is written")

    [letter] = json.loads(await (await container.download_blob(name)).readall())
    assert event(1).items() <= letter.items()
    assert (letter["deadletterreason"], letter["deliveryattempts"]) == ("MaxDeliveryAttemptsExceeded", 2)
    assert refusing.received == []


async def test_publishing_needs_a_token(grid: LocalStack, http: httpx.AsyncClient) -> None:
    answer = await http.post(
        grid.event_grid_topic_endpoint,
        params={"api-version": "2018-01-01"},
        headers={"Content-Type": "application/cloudevents-batch+json; charset=utf-8"},
        json=[event(1)],
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")


async def test_a_token_for_another_service_is_a_misconfiguration(grid: LocalStack) -> None:

    class ForStorage(storage.OperatorCredential):
        async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return await super().get_token("https://storage.azure.com/.default", **options)

    async with publisher_as(grid, ForStorage()) as publisher:
        with pytest.raises(MisconfiguredError, match="EventGrid Data Sender"):
            await publisher.publish(stored(event(1)))


async def test_the_publisher_splits_events_that_are_too_large_for_one_request(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    """The topic responds with 413 to a request that is too large."""
    await http.delete(f"{grid.event_grid_url}/emulator/events")
    events = [event(number, data={"text": "映" * 15_000}) for number in range(30)]

    await publisher.publish(stored(*events))

    listed = (await http.get(f"{grid.event_grid_url}/emulator/events")).json()
    assert [entry["event"] for entry in listed] == events


async def test_a_429_of_the_topic_is_a_throttled_error(
    grid: LocalStack, http: httpx.AsyncClient, publisher: EventGridTopic
) -> None:
    fault = {"kind": "status", "status": 429}
    (await http.post(f"{grid.event_grid_url}/emulator/faults", json=fault)).raise_for_status()

    with pytest.raises(ThrottledError):
        await publisher.publish(stored(event(1)))


async def test_a_stack_without_event_grid_names_no_topic(
    grid: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert grid.app_environment()["EVENT_GRID_TOPIC_ENDPOINT"] == f"{grid.event_grid_url}/api/events"

    monkeypatch.setattr(grid, "event_grid", False)

    assert "EVENT_GRID_TOPIC_ENDPOINT" not in grid.app_environment()

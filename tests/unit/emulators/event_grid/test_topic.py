"""The topic: what it takes and refuses, who gets what, and what happens to what nobody takes."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from emulators.event_grid.cloud_events import MAX_BYTES
from emulators.event_grid.in_process import InProcessTopic

SINGLE = "application/cloudevents+json"


def event(number: int = 1, **changed: Any) -> dict[str, Any]:
    usual = {"id": f"event-{number}", "source": "/news", "specversion": "1.0", "type": "news.v1"}
    return usual | {"subject": "videos/abc", "time": "2026-01-02T03:04:05.678901Z", "data": None} | changed


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal in Event Grid's shape."""
    error = answer.json()["error"]
    assert error["details"] == [{"code": error["code"], "message": error["message"]}]
    return answer.status_code, error["code"]


async def arrived(topic: InProcessTopic) -> list[Any]:
    return [entry["event"] for entry in (await topic.client.get("/emulator/events")).json()]


async def outcomes(topic: InProcessTopic) -> tuple[int, int, int, int]:
    """How many events are pending, delivered, dead-lettered and dropped."""
    audit = await topic.audit()
    return audit["pending"], audit["delivered"], audit["deadLettered"], audit["dropped"]


async def test_a_batch_is_taken_and_can_be_audited() -> None:
    """Every value as it came: numbers are not rounded, nulls stay."""
    topic = InProcessTopic()
    body = json.dumps([event(1), event(2, data={"score": None})]).replace("null", "0.62110000000000000001", 1)

    answer = await topic.publish(content=body)

    assert (answer.status_code, answer.content) == (200, b"")
    listed = await topic.client.get("/emulator/events", params={"since": 1})
    assert listed.json() == [{"index": 1, "id": "event-2", "event": event(2, data={"score": None})}]
    assert b'"data":0.62110000000000000001' in (await topic.client.get("/emulator/events")).content


async def test_an_audit_goes_on_where_it_was_cut_off() -> None:
    topic = InProcessTopic()
    await topic.publish(event(1), event(2))
    await topic.client.delete("/emulator/events")
    await topic.publish(event(3))

    listed = await topic.client.get("/emulator/events", params={"since": 2})

    assert [(entry["index"], entry["id"]) for entry in listed.json()] == [(2, "event-3")]
    assert (await topic.client.get("/emulator/events", params={"since": "x"})).status_code == 400


async def test_a_single_event_is_taken_too() -> None:
    topic = InProcessTopic()
    headers = {"Authorization": f"Bearer {topic.token()}", "Content-Type": SINGLE}

    answer = await topic.publish(content=json.dumps(event()), headers=headers)

    assert answer.status_code == 200
    assert await arrived(topic) == [event()]


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://storage.azure.com"}, {"aud": None}, {"exp": 1_800_000_000}],
    ids=["for storage", "for nobody", "ended just now"],
)
async def test_a_token_must_be_for_event_grid_and_good(claims: dict[str, Any]) -> None:
    topic = InProcessTopic()

    answer = await topic.publish(event(), headers={"Authorization": f"Bearer {topic.token(**claims)}"})

    assert refusal(answer) == (401, "Unauthorized")
    assert await arrived(topic) == []


@pytest.mark.parametrize("audience", ["https://eventgrid.azure.net", "https://eventgrid.azure.net/"])
async def test_a_slash_at_the_end_of_the_audience_makes_no_difference(audience: str) -> None:
    topic = InProcessTopic()
    headers = {"Authorization": f"Bearer {topic.token(aud=audience)}", "Content-Type": SINGLE}

    assert (await topic.publish(content=json.dumps(event()), headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"aeg-sas-key": "c2VjcmV0"}, {"aeg-sas-token": "r=1"}, {"Authorization": "Bearer garbage"}],
)
async def test_nobody_publishes_without_a_token(headers: dict[str, str]) -> None:
    """Not with a key either: local authentication is off."""
    answer = await InProcessTopic().publish(event(), headers=headers)

    assert refusal(answer) == (401, "Unauthorized")
    assert ("Local authentication" in answer.text) == any(name.startswith("aeg-sas") for name in headers)


async def test_an_identity_without_the_role_reads_what_it_lacks() -> None:
    topic = InProcessTopic(client_id="publisher", object_id="its-object")
    publishers = {"publisher": "its-object", "stranger": "its-object", "publisher ": "another"}
    statuses = {}
    for client_id, object_id in publishers.items():
        token = topic.token(appid=client_id.strip(), oid=object_id)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": SINGLE}
        answer = await topic.publish(content=json.dumps(event()), headers=headers)
        statuses[client_id] = answer.status_code

    assert statuses == {"publisher": 200, "stranger": 403, "publisher ": 403}
    assert refusal(answer) == (403, "Forbidden")
    assert "Microsoft.EventGrid/events/send/action" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": None}, "id is missing"),
        ({"source": ""}, "source is missing"),
        ({"type": 7}, "type is no string"),
        ({"specversion": "0.3"}, "specversion is not 1.0"),
        ({"time": 7}, "time is no string"),
        ({"traceParent": "00"}, "'traceParent' has other characters"),
        ({"trace_parent": "00"}, "'trace_parent' has other characters"),
        ({"keywords": ["a"]}, "'keywords' is no simple value"),
        ({"data_base64": "AA=="}, "data and data_base64"),
    ],
)
async def test_what_is_no_cloud_event_is_refused_with_all_that_came_with_it(
    wrong: dict[str, Any], said: str
) -> None:
    topic = InProcessTopic()

    answer = await topic.publish(event(1), event(2, **wrong))

    assert refusal(answer) == (400, "BadRequest")
    assert f"event 1: {said}" in answer.text.replace("the attribute ", "").replace("it has ", "")
    assert await arrived(topic) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "[]"),
        ("application/cloudevents-batch+json", "{}"),
        ("application/cloudevents-batch+json", "[7]"),
        ("application/cloudevents-batch+json", "[{]"),
        (SINGLE, "[]"),
    ],
)
async def test_a_body_must_be_what_it_says_it_is(content_type: str, body: str) -> None:
    topic = InProcessTopic()
    headers = {"Authorization": f"Bearer {topic.token()}", "Content-Type": content_type}

    assert refusal(await topic.publish(content=body, headers=headers)) == (400, "BadRequest")


async def test_a_request_has_a_megabyte_at_most() -> None:
    """A single event in it therefore too."""
    topic = InProcessTopic()
    room = MAX_BYTES - len(json.dumps([event(data="")]))

    fits = await topic.publish(event(data="x" * room))
    too_large = await topic.publish(event(data="x" * (room + 1)))

    assert fits.status_code == 200
    assert refusal(too_large) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("version", [{}, {"api-version": "2024-06-01"}])
async def test_the_api_version_is_that_of_custom_topics(version: dict[str, str]) -> None:
    assert refusal(await InProcessTopic().publish(event(), params=version)) == (400, "BadRequest")


async def test_what_the_topic_does_not_know_is_not_found() -> None:
    topic = InProcessTopic()

    assert refusal(await topic.client.post("/api/event")) == (404, "NotFound")
    assert (await topic.client.get("/emulator/nothing")).json() == {"error": "There is no such operation."}


async def test_a_subscriber_is_asked_before_it_is_sent_anything() -> None:
    topic = InProcessTopic()

    answer = await topic.subscribe()

    assert answer.status_code == 200
    assert [request.headers["WebHook-Request-Origin"] for request in topic.handshakes] == [
        "eventgrid.azure.net"
    ]
    assert topic.sent == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(405, headers={"WebHook-Allowed-Origin": "*"}),
        httpx.Response(200, headers={"WebHook-Allowed-Origin": "somebody.else"}),
    ],
    ids=["says nothing", "knows no OPTIONS", "lets somebody else"],
)
async def test_a_subscriber_that_does_not_agree_is_left_alone(answer: httpx.Response) -> None:
    topic = InProcessTopic()
    topic.agree = lambda _: answer

    refused = await topic.subscribe()

    assert refused.status_code == 400
    assert "WebHook-Allowed-Origin" in refused.json()["error"]
    assert (await topic.client.get("/emulator/subscriptions")).json() == []


async def test_a_name_is_one_that_the_service_takes() -> None:
    """It becomes a header and a part of blobs' names."""
    topic = InProcessTopic()

    assert (await topic.subscribe("a%20b%3Fc")).status_code == 400
    assert (await topic.subscribe("ab")).status_code == 400
    assert topic.handshakes == []


async def test_a_subscriber_may_name_the_origin() -> None:
    topic = InProcessTopic()
    topic.agree = lambda _: httpx.Response(200, headers={"WebHook-Allowed-Origin": "eventgrid.azure.net"})

    assert (await topic.subscribe(endpoint="http://127.0.0.1:7000/hook")).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://subscriber.test/hook"},
        {"endpoint": "ftp://127.0.0.1/hook"},
        {"maxDeliveryAttempts": 31},
        {"retrySeconds": []},
        {"includedEventType": ["mistyped"]},
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    topic = InProcessTopic()

    assert (await topic.subscribe(**wrong)).status_code == 400
    assert topic.handshakes == []


async def test_an_event_is_delivered_by_itself_in_structured_mode() -> None:
    topic = InProcessTopic()
    await topic.subscribe()

    await topic.publish(event(1, data={"text": "café"}), event(2))
    await attempts(topic, 2)

    assert [json.loads(request.content) for request in topic.sent] == [
        event(1, data={"text": "café"}),
        event(2),
    ]
    told = topic.sent[0].headers
    assert (topic.sent[0].method, str(topic.sent[0].url)) == ("POST", "https://subscriber.test/hook")
    assert told["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert (told["aeg-event-type"], told["aeg-subscription-name"]) == ("Notification", "NEWS")
    assert told["aeg-delivery-count"] == "0"
    assert (await outcomes(topic)) == (0, 2, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["1", "2", "3"]),
        ({"includedEventTypes": ["a.v1"]}, ["1", "3"]),
        ({"includedEventTypes": []}, []),
        ({"subjectBeginsWith": "Videos/A"}, ["1", "2"]),
        ({"subjectEndsWith": "/interests/england"}, ["2"]),
        ({"includedEventTypes": ["a.v1"], "subjectBeginsWith": "videos/b"}, ["3"]),
    ],
)
async def test_a_subscriber_gets_what_its_filter_lets_through(wanted: dict[str, Any], ids: list[str]) -> None:
    topic = InProcessTopic()
    await topic.subscribe("filtered", endpoint="https://filtered.test", **wanted)
    await topic.subscribe("all", endpoint="https://all.test")

    await topic.publish(
        event(id="1", type="a.v1", subject="videos/abc"),
        event(id="2", type="b.v1", subject="videos/abc/interests/england"),
        event(id="3", type="a.v1", subject="videos/bcd"),
    )
    await topic.reaches(lambda: len(topic.sent) == 3 + len(ids))

    to = [request for request in topic.sent if request.url.host == "filtered.test"]
    assert sorted(json.loads(request.content)["id"] for request in to) == ids


async def attempts(topic: InProcessTopic, count: int) -> None:
    """Let the topic deliver until there were so many attempts, and not one more."""
    await topic.reaches(lambda: len(topic.sent) == count)
    with pytest.raises(TimeoutError):
        await topic.reaches(lambda: len(topic.sent) > count)


async def test_a_delivery_is_tried_again_on_the_service_s_schedule() -> None:
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(500)
    await topic.subscribe()
    await topic.publish(event())
    waits = [10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200]

    for count, wait in enumerate(waits, 1):
        await attempts(topic, count)
        topic.clock.advance(wait - 1)
        await attempts(topic, count)
        topic.clock.advance(1)
    topic.world = lambda _: httpx.Response(200)
    await attempts(topic, len(waits) + 1)

    assert [request.headers["aeg-delivery-count"] for request in topic.sent] == [
        str(count) for count in range(len(waits) + 1)
    ]
    assert await outcomes(topic) == (0, 1, 0, 0)


@pytest.mark.parametrize(("status", "seconds"), [(408, 120), (503, 30), (500, 10), (404, 10), (302, 10)])
async def test_some_answers_make_the_service_wait_longer(status: int, seconds: int) -> None:
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(status)
    await topic.subscribe()
    await topic.publish(event())

    await attempts(topic, 1)
    topic.clock.advance(seconds - 1)
    await attempts(topic, 1)
    topic.clock.advance(1)
    await attempts(topic, 2)


async def test_a_subscriber_may_want_other_waits() -> None:
    """So that a test of it need not wait; these hold for every answer."""
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(503 if len(topic.sent) < 3 else 204)
    await topic.subscribe(retrySeconds=[0])

    await topic.publish(event())
    await attempts(topic, 3)

    assert await outcomes(topic) == (0, 1, 0, 0)


async def test_a_subscriber_that_is_not_there_is_tried_again() -> None:
    topic = InProcessTopic()

    def absent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens", request=request)

    topic.world = absent
    await topic.subscribe(retrySeconds=[5], maxDeliveryAttempts=2, deadLetter=True)
    await topic.publish(event())
    await attempts(topic, 1)
    topic.clock.advance(5)
    await topic.reaches(lambda: bool(topic.letters.written))

    [[letter]] = topic.letters.written.values()
    assert (letter["deadletterreason"], letter["lastdeliveryoutcome"]) == (
        "MaxDeliveryAttemptsExceeded",
        "SocketError",
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "BadRequest"), (401, "Unauthorized"), (403, "Forbidden"), (413, "PayloadTooLarge")],
)
async def test_what_will_not_change_is_a_dead_letter_at_once(status: int, outcome: str) -> None:
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(status)
    await topic.subscribe(deadLetter=True)

    await topic.publish(event())
    await attempts(topic, 1)

    [(name, letters)] = topic.letters.written.items()
    assert re.fullmatch(r"KEYWIRE-LOCAL/NEWS/2027/1/15/8/[0-9a-f-]{36}\.json", name)
    assert letters == [
        event()
        | {
            "deadletterreason": f"UndeliverableDueToHttp{outcome}",
            "deliveryattempts": 1,
            "lastdeliveryoutcome": outcome,
            "publishtime": "2027-01-15T08:00:00Z",
            "lastdeliveryattempttime": "2027-01-15T08:00:00Z",
        }
    ]
    assert await outcomes(topic) == (0, 0, 1, 0)


async def test_attempts_and_time_come_to_an_end() -> None:
    """Whichever comes first."""
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(500)
    await topic.subscribe("few", maxDeliveryAttempts=2, retrySeconds=[30], deadLetter=True)
    await topic.subscribe("short", eventTimeToLiveMinutes=1, retrySeconds=[50], deadLetter=True)
    await topic.publish(event())

    for moved, letters in ((0, 0), (30, 1), (20, 1), (10, 2)):
        topic.clock.advance(moved)
        with pytest.raises(TimeoutError):
            await topic.reaches(lambda: len(topic.letters.written) > letters)  # noqa: B023 - awaited here

    reasons = [letter["deadletterreason"] for [letter] in topic.letters.written.values()]
    assert reasons == ["MaxDeliveryAttemptsExceeded", "MaxRetryDurationExceeded"]
    assert [letter["deliveryattempts"] for [letter] in topic.letters.written.values()] == [2, 2]


@pytest.mark.parametrize(("wanted", "is_broken"), [(False, False), (True, True)])
async def test_what_has_no_place_is_dropped(wanted: bool, is_broken: bool) -> None:
    topic = InProcessTopic()
    topic.world = lambda _: httpx.Response(400)
    topic.letters.is_broken = is_broken
    await topic.subscribe(deadLetter=wanted)

    await topic.publish(event())
    await attempts(topic, 1)

    assert topic.letters.written == {}
    assert await outcomes(topic) == (0, 0, 0, 1)


async def test_dead_letters_need_a_place() -> None:
    topic = InProcessTopic()
    topic.letters.is_available = False

    assert (await topic.subscribe(deadLetter=True)).status_code == 400


async def test_a_subscription_can_be_changed_and_ended_while_events_wait() -> None:
    topic = InProcessTopic()
    topic.world = lambda request: httpx.Response(500 if request.url.host == "subscriber.test" else 200)
    await topic.subscribe()
    await topic.publish(event(1))
    await attempts(topic, 1)
    await topic.subscribe(endpoint="https://mended.test")
    topic.clock.advance(10)
    await attempts(topic, 2)
    assert await outcomes(topic) == (0, 1, 0, 0)

    await topic.subscribe()
    await topic.publish(event(2))
    await attempts(topic, 3)
    ended = await topic.client.delete("/emulator/subscriptions/news")
    topic.clock.advance(10)
    await attempts(topic, 3)

    assert ended.status_code == 204
    assert (await topic.client.delete("/emulator/subscriptions/news")).status_code == 404


async def test_a_fault_happens_as_often_as_it_was_asked_for() -> None:
    """To publishers, before their events are taken; what is left can be seen and called off."""
    topic = InProcessTopic()
    await topic.client.post("/emulator/faults", json={"kind": "status", "status": 429, "retryAfter": 7})
    await topic.client.post("/emulator/faults", json={"kind": "status", "count": 3})

    first, second = await topic.publish(event()), await topic.publish(event())
    left = (await topic.client.get("/emulator/faults")).json()
    await topic.client.delete("/emulator/faults")
    happened = (await topic.client.get("/emulator/faults/happened")).json()

    assert (refusal(first), first.headers["Retry-After"]) == ((429, "TooManyRequests"), "7")
    assert refusal(second) == (503, "ServiceUnavailable")
    assert [(fault["kind"], fault["count"]) for fault in left] == [("status", 2)]
    assert [(fault["status"], fault["count"]) for fault in happened] == [(429, 1), (503, 1)]
    assert (await topic.publish(event())).status_code == 200
    assert await arrived(topic) == [event()]


async def test_an_answer_can_hang_or_not_come() -> None:
    topic = InProcessTopic()
    await topic.client.post("/emulator/faults", json={"kind": "hang", "seconds": 60})
    await topic.client.post("/emulator/faults", json={"kind": "reset"})
    hanging = asyncio.ensure_future(topic.publish(event()))
    with pytest.raises(TimeoutError):
        await topic.reaches(hanging.done)
    with pytest.raises(httpx.TransportError):
        await topic.publish(event())

    topic.clock.advance(60)

    assert refusal(await hanging) == (504, "GatewayTimeout")
    assert await arrived(topic) == []

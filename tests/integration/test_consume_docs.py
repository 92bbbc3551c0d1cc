"""The snippets of docs/consume.md, run on events and documents of Keywire."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from azure.core.messaging import CloudEvent as AzureCloudEvent
from cloudevents.core.v1.event import CloudEvent

from emulators.framework.checkout import PROJECT
from local.storage import InsightsStorage
from tests.support.builders import VIDEO_ID, index, keyword
from tests.support.interests import FESTIVALS
from tests.support.world import World

A = index([keyword("film festivals"), keyword("robots")])
B = index([keyword("robots"), keyword("harbour")])
PAGE = (PROJECT / "docs" / "consume.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(name: str) -> Any:
    """Run the snippet that defines `name`; return what it defines."""
    (snippet,) = [text for text in SNIPPETS if f"def {name}(" in text]
    scope: dict[str, Any] = {}
    exec(compile(snippet, "docs/consume.md", "exec"), scope)
    return scope[name]


async def sent(world: World) -> list[bytes]:
    await world.set_interests(FESTIVALS)
    await world.run()
    world.source.body = B
    await world.run()
    return await world.queued()


def test_every_snippet_is_run_by_a_test() -> None:
    tests = Path(__file__).read_text("utf-8")
    names = [name for snippet in SNIPPETS for name in re.findall(r"^def (\w+)\(", snippet, re.MULTILINE)]
    assert len(names) == len(SNIPPETS) == 5
    assert [name for name in names if f'run("{name}")' not in tests] == []


async def test_duplicates_and_stale_events_are_dropped(insights: InsightsStorage) -> None:
    is_news = run("is_news")
    async with World(insights, A) as world:
        events = [json.loads(body) for body in await sent(world)]
    newest: dict[str, str] = {}
    assert [is_news(event, newest) for event in events] == [True] * len(events)
    assert [is_news(event, newest) for event in events] == [False] * len(events)
    backwards = sorted(events, key=lambda event: event["sequence"], reverse=True)
    newest = {}
    kept = [event for event in backwards if is_news(event, newest)]
    assert {event["sequence"] for event in kept} == {"000000002"}


async def test_a_function_with_a_queue_trigger_reads_the_messages(
    insights: InsightsStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    on_event = run("on_event")
    async with World(insights, A) as world:
        events = await sent(world)

    class Message:
        def __init__(self, body: bytes) -> None:
            self._body = body

        def get_body(self) -> bytes:
            return self._body

    function = on_event._function.get_user_function()
    for body in events:
        function(Message(body))
    assert "promote {'campaign': 'spring'" in capsys.readouterr().out


async def test_the_sdk_reads_and_deletes_the_messages(insights: InsightsStorage) -> None:
    read_events = run("read_events")

    class Queue:
        """The SDK's synchronous client, with messages that were received before."""

        def __init__(self, bodies: list[bytes]) -> None:
            self.messages = bodies

        def receive_messages(self, **_: Any) -> Any:
            for body in list(self.messages):
                yield type("Message", (), {"content": base64.b64encode(body).decode(), "body": body})

        def delete_message(self, message: Any) -> None:
            self.messages.remove(message.body)

    async with World(insights, A) as world:
        bodies = await sent(world)
    queue = Queue(list(bodies))
    assert list(read_events(queue)) == [json.loads(body) for body in bodies]
    assert queue.messages == []


async def test_the_official_cloudevent_classes_read_every_event(insights: InsightsStorage) -> None:
    as_cloudevents = run("as_cloudevents")
    async with World(insights, A) as world:
        bodies = await sent(world)
    assert {json.loads(body)["type"].split(".")[2] for body in bodies} == {
        "extracted",
        "changed",
        "matched",
        "withdrawn",
    }
    for body in bodies:
        value = json.loads(body)
        official, azure = as_cloudevents(body, CloudEvent)
        assert official.get_id() == azure.id == value["id"]
        assert official.get_data() == azure.data == value["data"]
        assert official.get_attributes()["sequence"] == value["sequence"]
        assert isinstance(azure, AzureCloudEvent)


async def test_a_storage_reader_gets_the_best_keywords_first(insights: InsightsStorage) -> None:
    keywords_of = run("keywords_of")
    async with World(insights, A) as world:
        await world.run()
        document, body, _ = await world.current()

    class Container:
        def download_blob(self, name: str) -> Any:
            assert name == f"{document.account_id}/{VIDEO_ID}.json"
            return type("Blob", (), {"readall": staticmethod(lambda: body)})

    found = keywords_of(Container(), document.account_id, VIDEO_ID)
    assert [keyword["score"] for keyword in found] == sorted(
        (kept["score"] for kept in document.keywords), reverse=True
    )

"""What becomes of a queue message, and how it's written."""

import base64
import json
from datetime import UTC, datetime
from typing import Any, cast

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessageInConverter, QueueMessageOutConverter

from emulators.functions_host import datums
from emulators.functions_host.datums import Datum
from emulators.functions_host.host_json import QueueSettings
from emulators.functions_host.messages import (
    Fate,
    UndecodableMessageError,
    after_run,
    before_run,
    decode,
    encode,
    output_bodies,
    poison_queue,
    trigger_data,
    trigger_metadata,
)

SETTINGS = QueueSettings(max_dequeue_count=3)


@pytest.mark.parametrize(
    ("dequeue_count", "has_poison_queue", "fate"),
    [(1, True, Fate.RUN), (3, True, Fate.RUN), (4, True, Fate.POISON), (4, False, Fate.LEAVE)],
)
def test_a_message_whose_last_allowed_run_never_ended_does_not_run_again(
    *, dequeue_count: int, has_poison_queue: bool, fate: Fate
) -> None:
    assert before_run(dequeue_count, SETTINGS, has_poison_queue=has_poison_queue) is fate


@pytest.mark.parametrize(
    ("ok", "dequeue_count", "has_poison_queue", "fate"),
    [
        (True, 1, True, Fate.DELETE),
        (True, 3, False, Fate.DELETE),
        (False, 1, True, Fate.RELEASE),
        (False, 2, True, Fate.RELEASE),
        (False, 3, True, Fate.POISON),
        (False, 1, False, Fate.LEAVE),
        (False, 3, False, Fate.LEAVE),
    ],
)
def test_a_failed_message_is_released_until_its_last_try(
    *, ok: bool, dequeue_count: int, has_poison_queue: bool, fate: Fate
) -> None:
    assert after_run(dequeue_count, SETTINGS, ok=ok, has_poison_queue=has_poison_queue) is fate


def test_a_poison_queue_has_no_poison_queue_of_its_own() -> None:
    assert poison_queue("jobs") == "jobs-poison"
    assert poison_queue("jobs-poison") is None
    assert poison_queue("q" * 56) == "q" * 56 + "-poison"
    assert poison_queue("q" * 57) is None


def test_a_body_goes_through_the_queue_unchanged() -> None:
    assert decode(encode("né", "base64"), "base64") == "né".encode()
    assert decode(encode(b"\x00\xff", "base64"), "base64") == b"\x00\xff"
    assert decode(encode("né", "none"), "none") == "né".encode()
    assert encode("{}", "base64") == "e30="


def test_white_space_in_base64_is_ignored() -> None:
    assert decode(" e30\r\n= ", "base64") == b"{}"


@pytest.mark.parametrize("content", ['{"plain": "json"}', "e30", "e3*0", "e30ß", "東京"])
def test_what_is_not_base64_is_not_decoded(content: str) -> None:
    with pytest.raises(UndecodableMessageError):
        decode(content, "base64")


def test_the_worker_reads_the_trigger_data_as_a_queue_message() -> None:
    moment = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    metadata = trigger_metadata(
        message_id="an-id",
        dequeue_count=2,
        inserted_on=moment,
        expires_on=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        next_visible_on=moment,
        pop_receipt="a-receipt",
    )
    message = QueueMessageInConverter.decode(
        cast("Any", trigger_data(b"{}", binary=False)), trigger_metadata=metadata
    )
    assert (message.id, message.dequeue_count, message.pop_receipt) == ("an-id", 2, "a-receipt")
    assert message.get_body() == b"{}"
    assert message.insertion_time == message.time_next_visible == moment
    assert message.expiration_time.year == 9999


def test_bytes_arrive_as_bytes_only_where_the_binding_asks_for_them() -> None:
    assert (trigger_data(b"\xff", binary=True).type, trigger_data(b"\xff", binary=True).value) == (
        "bytes",
        b"\xff",
    )
    assert (trigger_data(b"\xff", binary=False).type, trigger_data(b"\xff", binary=False).value) == (
        "string",
        "\ufffd",
    )


def output(value: object) -> Datum:
    # The worker's runtime, too, takes the library's Datum for its own: both have a type and a value.
    return cast("Datum", QueueMessageOutConverter.encode(value, expected_type=None))


def test_a_list_of_texts_becomes_one_message_for_each() -> None:
    assert output_bodies(output(["a", "b"])) == ["a", "b"]


def test_a_text_or_bytes_become_one_message() -> None:
    assert output_bodies(datums.string("[1, 2]")) == ["[1, 2]"]
    assert output_bodies(datums.octets(b"\xff")) == [b"\xff"]


def test_a_message_object_becomes_a_json_text_as_in_azure() -> None:
    (body,) = output_bodies(output(func.QueueMessage(body="text")))
    assert json.loads(body) == {"id": None, "body": "text"}
    assert base64.b64decode(encode(body, "base64")).decode() == body

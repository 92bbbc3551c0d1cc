"""The settings of host.json, with the real host's defaults and limits."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulators.functions_host.errors import InvalidHostJsonError
from emulators.functions_host.host_json import HostSettings, QueueSettings, parse, read, time_span


def host_json(**content: Any) -> str:
    return json.dumps({"version": "2.0", **content})


def queues(**settings: Any) -> QueueSettings:
    return parse(host_json(extensions={"queues": settings})).queues


def test_without_settings_everything_has_the_real_default() -> None:
    expected = QueueSettings(
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        visibility_timeout=timedelta(),
        max_polling_interval=timedelta(minutes=1),
        message_encoding="base64",
    )
    assert parse(host_json()) == HostSettings("api", expected, timedelta(minutes=30))


def test_without_the_file_everything_has_its_default(tmp_path: Path) -> None:
    assert read(tmp_path) == HostSettings()


def test_the_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(host_json(functionTimeout="00:01:00"), encoding="utf-8-sig")
    assert read(tmp_path).function_timeout == timedelta(minutes=1)


def test_queue_settings_are_read_without_regard_to_case() -> None:
    settings = queues(
        BatchSize=32,
        newBatchThreshold=4,
        maxDequeueCount=3,
        visibilityTimeout="00:00:30",
        maxPollingInterval="00:00:00.250",
        messageEncoding="None",
    )
    assert settings == QueueSettings(32, 4, 3, timedelta(seconds=30), timedelta(milliseconds=250), "none")


def test_the_threshold_is_half_a_batch_unless_it_is_given() -> None:
    assert queues(batchSize=10).new_batch_threshold == 5
    assert queues(batchSize=1).new_batch_threshold == 0


@pytest.mark.parametrize(("prefix", "expected"), [("", ""), ("/v1/", "v1")])
def test_the_route_prefix_has_no_slashes_at_its_ends(prefix: str, expected: str) -> None:
    assert parse(host_json(extensions={"http": {"routePrefix": prefix}})).route_prefix == expected


@pytest.mark.parametrize(("text", "expected"), [("-1", None), ("00:05:00", timedelta(minutes=5))])
def test_a_function_may_run_for_a_time_or_for_ever(text: str, expected: timedelta | None) -> None:
    assert parse(host_json(functionTimeout=text)).function_timeout == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:02", timedelta(seconds=2)),
        ("1.02:03:04.5", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("02:30", timedelta(hours=2, minutes=30)),
        ("-00:00:01", timedelta(seconds=-1)),
    ],
)
def test_a_time_span_is_written_as_in_net(text: str, expected: timedelta) -> None:
    assert time_span(text) == expected


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batchSize": 33}, "extensions.queues.batchSize must be at most 32"),
        ({"batchSize": 0}, "extensions.queues.batchSize must be a whole number of at least 1"),
        ({"batchSize": True}, "extensions.queues.batchSize"),
        ({"newBatchThreshold": -1}, "extensions.queues.newBatchThreshold"),
        ({"maxDequeueCount": 0}, "extensions.queues.maxDequeueCount"),
        ({"maxPollingInterval": "00:00:00.050"}, "extensions.queues.maxPollingInterval must be at least"),
        ({"maxPollingInterval": 2000}, "'2000' is not a time span"),
        ({"visibilityTimeout": "soon"}, "extensions.queues.visibilityTimeout: 'soon' is not a time span"),
        ({"visibilityTimeout": "-00:00:01"}, "extensions.queues.visibilityTimeout"),
        ({"messageEncoding": "utf8"}, "extensions.queues.messageEncoding must be base64 or none"),
    ],
)
def test_a_value_that_the_real_host_refuses_is_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidHostJsonError, match=named):
        queues(**settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not valid JSON"), ("{}", '"version": "2.0"'), ("[]", "must be an object"),
     ('{"version": "2.0", "extensions": {"queues": 1}}', "extensions.queues must be an object")],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidHostJsonError, match=said):
        parse(text)

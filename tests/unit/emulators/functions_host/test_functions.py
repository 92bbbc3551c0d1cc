"""Functions, their bindings and their groups, from the worker's metadata."""

import json
from typing import Any

import pytest

from emulators.functions_host.bindings import (
    AuthLevel,
    EventHubTrigger,
    HttpOutput,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    UnsupportedBinding,
)
from emulators.functions_host.errors import MissingSettingError
from emulators.functions_host.functions import Function, groups, parse

HTTP_OUT = {"type": "http", "direction": "OUT", "name": "$return"}


def function(*bindings: dict[str, Any], **settings: str) -> Function:
    return parse("work", "an-id", [json.dumps(binding) for binding in bindings], settings)


def queue_trigger(**more: Any) -> dict[str, Any]:
    binding = {"type": "queueTrigger", "direction": "IN", "name": "msg", "queueName": "Jobs"}
    return {**binding, "connection": "Insights", **more}


def test_an_http_function_is_read_with_its_methods_and_level() -> None:
    trigger = {
        "type": "httpTrigger",
        "name": "req",
        "route": "a/{b}",
        "methods": ["get"],
        "authLevel": "ADMIN",
    }
    assert function(trigger, HTTP_OUT) == Function(
        "work",
        "an-id",
        HttpTrigger("req", "a/{b}", frozenset({"GET"}), AuthLevel.ADMIN),
        (HttpOutput("$return"),),
    )


def test_an_http_function_asks_for_a_function_key_by_default() -> None:
    trigger = function({"type": "httpTrigger", "name": "req"}, HTTP_OUT).trigger
    assert trigger == HttpTrigger("req", "", frozenset(), AuthLevel.FUNCTION)


def test_a_queue_name_is_in_lower_case() -> None:
    assert function(queue_trigger()).trigger == QueueTrigger("msg", "jobs", "Insights")


def test_a_queue_trigger_may_ask_for_bytes() -> None:
    assert function(queue_trigger(dataType="BINARY")).trigger == QueueTrigger(
        "msg", "jobs", "Insights", binary=True
    )


def test_a_binding_without_a_connection_uses_the_hosts_storage() -> None:
    assert function(queue_trigger(connection=None)).trigger == QueueTrigger(
        "msg", "jobs", "AzureWebJobsStorage"
    )


def test_an_app_setting_between_percent_signs_is_filled_in() -> None:
    assert function(queue_trigger(queueName="a-%QUEUE%"), QUEUE="x").trigger == QueueTrigger(
        "msg", "a-x", "Insights"
    )
    timer = {
        "type": "timerTrigger",
        "name": "timer",
        "schedule": "%WHEN%",
        "runOnStartup": True,
        "useMonitor": False,
    }
    assert function(timer, WHEN="0 0 * * * *").trigger == TimerTrigger(
        "timer", "0 0 * * * *", run_on_startup=True, use_monitor=False
    )


def test_an_event_hub_trigger_takes_single_events_as_text_unless_it_asks_for_more() -> None:
    hub = {
        "type": "eventHubTrigger",
        "direction": "IN",
        "name": "events",
        "eventHubName": "%HUB%",
        "connection": "Log",
    }
    assert function(hub, HUB="logs").trigger == EventHubTrigger("events", "logs", "Log")
    more = {"cardinality": "MANY", "dataType": "BINARY", "consumerGroup": "%GROUP%"}
    parsed = function(hub | more, HUB="logs", GROUP="keywire")
    assert parsed.trigger == EventHubTrigger("events", "logs", "Log", "keywire", many=True, binary=True)
    assert parsed.describe() == {
        "name": "work",
        "trigger": "eventHubTrigger",
        "group": "function:work",
        "supported": True,
        "eventHub": "logs",
    }


def test_a_missing_app_setting_is_named() -> None:
    with pytest.raises(MissingSettingError, match="QUEUE"):
        function(queue_trigger(queueName="%QUEUE%"))


def test_outputs_keep_their_parameters() -> None:
    output = {
        "type": "queue",
        "direction": "OUT",
        "name": "results",
        "queueName": "Results",
        "connection": "Insights",
    }
    assert function(queue_trigger(), output).outputs == (QueueOutput("results", "results", "Insights"),)


def test_bindings_that_this_host_lacks_are_named_but_indexed() -> None:
    bus = {"type": "serviceBusTrigger", "direction": "IN", "name": "message", "queueName": "logs"}
    blob = {"type": "blob", "direction": "IN", "name": "file", "path": "a/b"}
    parsed = function(bus, blob)
    assert parsed.trigger == UnsupportedBinding("message", "serviceBusTrigger")
    assert parsed.unsupported == ["serviceBusTrigger", "blob"]
    assert parsed.describe() == {
        "name": "work",
        "trigger": "serviceBusTrigger",
        "group": "function:work",
        "supported": False,
    }


def test_http_functions_share_a_group_and_every_other_function_has_its_own() -> None:
    queue = Function("work", "1", QueueTrigger("msg", "jobs", "Insights"))
    timer = Function("tick", "2", TimerTrigger("timer", "* * * * * *"))
    ping = Function("ping", "3", HttpTrigger("req", "", frozenset(), AuthLevel.ANONYMOUS))
    pong = Function("pong", "4", HttpTrigger("req", "", frozenset(), AuthLevel.ANONYMOUS))
    assert groups([queue, ping, timer, pong]) == ["http", "function:work", "function:tick"]
    assert queue.describe()["queue"] == "jobs"


def test_an_app_without_http_functions_has_the_http_group_for_its_admin_endpoints() -> None:
    assert groups([]) == ["http"]

"""Which function a method and a path reach."""

import pytest

from emulators.functions_host.bindings import AuthLevel, HttpTrigger
from emulators.functions_host.functions import Function
from emulators.functions_host.routes import RouteTable, decoded, parse

GUID = "7d9a4c1e-0c39-4a5e-8a1b-2f6f6c8f3b22"


def http_function(name: str, route: str = "", *methods: str) -> Function:
    return Function(name, name, HttpTrigger("req", route, frozenset(methods), AuthLevel.ANONYMOUS))


def found(table: RouteTable, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    match = table.find(method, path.encode())
    return (match.function.name, dict(match.parameters)) if match else None


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("videos", "videos", {}),
        ("videos", "VIDEOS", {}),
        ("videos", "videos/1", None),
        ("videos/{id}", "videos/Ab-1", {"id": "Ab-1"}),
        ("videos/{id}", "videos", None),
        ("videos/{id}", "videos/1/2", None),
        ("videos/{id?}", "videos", {}),
        ("videos/{id?}", "videos/1", {"id": "1"}),
        ("videos/{id=all}", "videos", {"id": "all"}),
        ("{account}/{id}.json", "a/b.c.json", {"account": "a", "id": "b.c"}),
        ("v{major}.{minor}", "v1.2.3", {"major": "1.2", "minor": "3"}),
        ("files/{*rest}", "files", {}),
        ("files/{*rest}", "files/a/b", {"rest": "a/b"}),
        ("files/{**rest}", "files/a/b", {"rest": "a/b"}),
        ("videos/{id:int}", "videos/12", {"id": "12"}),
        ("videos/{id:int}", "videos/12a", None),
        ("videos/{id:int?}", "videos", {}),
        ("videos/{id:alpha}", "videos/Ab", {"id": "Ab"}),
        ("videos/{id:guid}", f"videos/{GUID}", {"id": GUID}),
        ("videos/{id:guid}", "videos/7d9a", None),
        ("videos/{id:length(3)}", "videos/abcd", {"id": "abcd"}),
    ],
)  # fmt: skip
def test_a_template_matches_as_asp_net_does(
    template: str, path: str, parameters: dict[str, str] | None
) -> None:
    assert parse(template).match(path) == parameters


def test_a_route_begins_with_the_prefix_of_host_json() -> None:
    functions = [http_function("ping", "ping")]
    assert found(RouteTable(functions, "api"), "/api/ping/") == ("ping", {})
    assert found(RouteTable(functions, "api"), "/ping") is None
    assert found(RouteTable(functions, ""), "/ping") == ("ping", {})


def test_a_function_without_a_route_answers_at_its_name() -> None:
    assert found(RouteTable([http_function("Callback")], "api"), "/api/callback") == ("Callback", {})


def test_a_method_that_no_function_declares_is_not_found() -> None:
    table = RouteTable([http_function("read", "item", "GET"), http_function("write", "item", "PUT")], "api")
    assert found(table, "/api/item", "PUT") == ("write", {})
    assert found(table, "/api/item", "DELETE") is None
    assert found(table, "/api/item", "HEAD") is None


def test_a_function_without_methods_takes_all() -> None:
    assert found(RouteTable([http_function("any")], "api"), "/api/any", "PATCH") == ("any", {})


def test_of_two_matching_routes_the_function_whose_name_sorts_first_wins() -> None:
    ping, by_id = http_function("ping", "ping"), http_function("by_id", "{id}")
    assert found(RouteTable([ping, by_id], "api"), "/api/ping") == ("by_id", {"id": "ping"})
    later = http_function("Video", "{id}")
    assert found(RouteTable([later, ping], "api"), "/api/ping") == ("ping", {})


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a/b/", "a/b"),
        (b"/a%20b", "a b"),
        (b"/%C3%A9", "é"),
        (b"/a%2Fb/c", "a%2Fb/c"),
        (b"/a%2fb", "a%2fb"),
    ],
)
def test_a_path_is_decoded_but_for_its_escaped_slashes(raw: bytes, path: str) -> None:
    assert decoded(raw) == path

"""docs/openapi.yaml: valid OpenAPI that matches the types and the registered functions."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate as validate_openapi

from emulators.framework.checkout import PROJECT
from keywire.operations import backfill_orders, rematch_orders, replay
from keywire.signals import callback_urls
from tests.support.environment import COMPLETE
from tests.support.openapi_document import DOCUMENT, is_valid, operations, validate
from tools import openapi

LIST_FUNCTIONS = """
import json
from function_app import app
print(json.dumps({each.get_function_name(): each.get_raw_bindings() for each in app.get_functions()}))
"""
READERS = {
    "new_callback_url": callback_urls.read_request,
    "start_backfill": backfill_orders.read_request,
    "start_rematch": rematch_orders.read_request,
    "replay": replay.read_request,
}


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    """Return the HTTP trigger of each function, from a process of its own: the app reads its settings."""
    found = subprocess.run(
        [sys.executable, "-c", LIST_FUNCTIONS],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]} | COMPLETE,
        capture_output=True,
        text=True,
        check=True,
    )
    bindings: dict[str, list[str]] = json.loads(found.stdout)
    triggers = {name: json.loads(each[0]) for name, each in bindings.items()}
    return {name: trigger for name, trigger in triggers.items() if trigger["type"] == "httpTrigger"}


def test_the_file_is_valid_openapi() -> None:
    validate_openapi(DOCUMENT)
    with pytest.raises(Exception, match="responses"):
        validate_openapi(DOCUMENT | {"paths": {"/x": {"get": {"responses": 5}}}})


def test_the_bodies_match_the_types() -> None:
    assert openapi.problems() == []


def test_an_outdated_body_is_a_problem_and_write_corrects_it(tmp_path: Path) -> None:
    right = openapi.FILE.read_text("utf-8")
    wrong = tmp_path / "openapi.yaml"
    wrong.write_text(right.replace("maximum: 2592000", "maximum: 1", 1))
    assert openapi.problems(wrong) == ["openapi.yaml does not match the types: run `python3 dev.py schemas`"]
    assert openapi.write(wrong.read_text()) == right
    with pytest.raises(ValueError, match="needs this line once"):
        openapi.write(right + right)


def test_properties_have_the_descriptions_of_the_docstrings() -> None:
    schemas = openapi.components()
    assert schemas["ReplayRequest"]["properties"]["to"]["description"].startswith("Videos whose documents")
    assert not [name for name, schema in schemas.items() if "Attributes:" in schema["description"]]
    assert r"\\A" not in json.dumps(schemas)


def test_the_operations_are_the_registered_functions(routes: dict[str, dict[str, Any]]) -> None:
    described = {
        name: (operation.path, [operation.method], operation.needs_key)
        for name, operation in operations().items()
    }
    registered = {
        name: (f"/{trigger['route']}", trigger["methods"], trigger["authLevel"] == "FUNCTION")
        for name, trigger in routes.items()
    }
    assert {trigger["authLevel"] for trigger in routes.values()} == {"FUNCTION", "ANONYMOUS"}
    assert described == registered


def test_the_servers_have_the_route_prefix_of_the_host() -> None:
    prefix = json.loads((PROJECT / "host.json").read_text())["extensions"]["http"]["routePrefix"]
    assert {server["url"].rpartition("/")[2] for server in DOCUMENT["servers"]} == {prefix}


def test_the_parameters_of_a_path_are_described() -> None:
    for operation in operations().values():
        parameters = json.dumps(
            [*operation.value.get("parameters", ()), DOCUMENT["components"]["parameters"]]
        )
        for name in (part[1:-1] for part in operation.path.split("/") if part.startswith("{")):
            assert f'"name": "{name}", "in": "path"' in parameters


# Functions of handlers/replies.py with a fixed status.
REPLIES = {"accepted": 202, "unavailable": 503}


def answered(module: Path) -> dict[str, set[int]]:
    """Return the statuses that each function of a handler module returns, by its registered name."""
    tree = ast.parse(module.read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}

    def statuses(function: ast.AsyncFunctionDef) -> set[int]:
        found: set[int] = set()
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name("reply"), args=[ast.Constant(int(status)), *_]):
                    found.add(status)
                case ast.Call(func=ast.Name(name)) if name in REPLIES:
                    found.add(REPLIES[name])
                case ast.Attribute(attr="http_status"):
                    found |= {200, 503}
                case ast.Call(func=ast.Name(name)) if name in functions:
                    found |= statuses(functions[name])
        return found

    def decorated(function: ast.AsyncFunctionDef | ast.FunctionDef) -> set[int]:
        names = {each.id for each in function.decorator_list if isinstance(each, ast.Name)}
        return {503} if "unless_storage_fails" in names else set()

    return {
        str(decorator.args[0].value): statuses(function) | decorated(function)
        for function in functions.values()
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr == "function_name"
        and isinstance(decorator.args[0], ast.Constant)
    }


def test_every_status_that_a_handler_returns_is_described() -> None:
    returned = {
        name: found
        for module in (PROJECT / "handlers").glob("*.py")
        for name, found in answered(module).items()
        if found
    }
    described = operations()
    assert returned.keys() == described.keys()
    for name, operation in described.items():
        own = {401} if operation.needs_key else set()  # the host returns it
        assert operation.statuses == returned[name] | own, name


def test_examples_are_valid_requests() -> None:
    seen = set()
    for name, operation in operations().items():
        if "requestBody" not in operation.value:
            continue
        media = operation.value["requestBody"]["content"]["application/json"]
        examples = [each["value"] for each in media.get("examples", {}).values()] or [media["example"]]
        for example in examples:
            validate(example, media["schema"])
            READERS[name](json.dumps(example).encode())
        seen.add(name)
    assert seen == READERS.keys()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("new_callback_url", {"ttl": 0}),
        ("new_callback_url", {"reference": ""}),
        ("start_backfill", {"from": 5}),
        ("start_backfill", {"dryrun": True}),
        ("start_rematch", {"interests": []}),
        ("replay", {"videos": ["../etc"]}),
        ("replay", {"videos": []}),
        ("replay", {"poison": "personalization-events"}),
    ],
)
def test_the_app_refuses_what_a_schema_refuses(name: str, body: dict[str, Any]) -> None:
    schema = operations()[name].value["requestBody"]["content"]["application/json"]["schema"]
    assert not is_valid(body, schema)
    with pytest.raises(ValueError, match="not a"):
        READERS[name](msgspec.json.encode(body))

"""The commands in the documents and tests/requests.http, run on the local stack; output as documented."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from local import serve
from local.stack import LocalStack
from tests.support import documentation
from tests.support.documentation import Block
from tests.support.openapi_document import operations
from tools import openapi, schemas

BLOCKS = [block for page in documentation.pages() for block in page.blocks]
TO_RUN = [block for block in BLOCKS if block.info == "sh run"]
REQUESTS = PROJECT / "tests" / "requests.http"


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


async def run(*command: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command in the checkout; return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env=os.environ | (variables or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("block", TO_RUN, ids=str)
async def test_a_marked_block_runs(stack: LocalStack, block: Block) -> None:
    code, output = await run("sh", "-eu", "-c", block.text, variables=serve.environment(stack))
    assert code == 0, output


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
async def test_a_block_with_a_failing_command_fails(stack: LocalStack) -> None:
    variables = serve.environment(stack)
    assert (await run("sh", "-eu", "-c", 'curl -sf "$KEYWIRE_URL/api/health"\ntrue', variables=variables))[0]
    assert (await run("sh", "-eu", "-c", 'echo "$KEYWIRE_NAME"', variables=variables))[0]
    assert len(TO_RUN) > 1


def shown(block: Block) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output below it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


INTERESTS = [
    pytest.param(command.split()[2:], output, id=f"{block}-{command}")
    for block in BLOCKS
    if block.info == "console"
    for command, output in shown(block)
    if command.startswith("python3 dev.py interests")
    and all((PROJECT / word).exists() for word in command.split() if word.endswith(".json"))
]


@pytest.mark.parametrize(("arguments", "output"), INTERESTS)
async def test_interests_prints_what_a_document_shows(arguments: list[str], output: str) -> None:
    assert await run(sys.executable, "dev.py", *arguments) == (0, output)


def test_a_document_has_an_example_with_interests() -> None:
    assert INTERESTS


async def test_schemas_writes_the_files_that_are_checked_in() -> None:
    files = [openapi.FILE, *schemas.SCHEMAS.rglob("*.json")]
    before = [file.read_bytes() for file in files]
    code, output = await run(sys.executable, "dev.py", "schemas")
    assert (code, output) == (0, "")
    assert [file.read_bytes() for file in files] == before


class RestClient:
    """A client for the requests of a `.http` file, which it sends as the REST Client of VS Code does.

    Args:
        variables: The values of `$dotenv`.
    """

    def __init__(self, http: httpx.AsyncClient, variables: Mapping[str, str]) -> None:
        self._http = http
        self._variables = variables
        self._values: dict[str, str] = {}
        self._responses: dict[str, Any] = {}

    async def send(self, request: str) -> httpx.Response | None:
        """Send one request; return None if the text has only variables."""
        lines = request.splitlines()
        for line in lines:
            if found := re.fullmatch(r"@(\w+) = (.*)", line):
                self._values[found[1]] = self._filled(found[2])
        wanted = [line for line in lines if not line.startswith(("#", "@"))]
        head, _, body = "\n".join(wanted).strip().partition("\n\n")
        if not head:
            return None
        first, *rest = head.splitlines()
        method, url = self._filled(first).split()
        headers = dict(self._filled(line).split(": ", 1) for line in rest)
        response = await self._http.request(method, url, headers=headers, content=body)
        name = re.search(r"^# @name (\w+)$", request, re.MULTILINE)
        if name:
            self._responses[name[1]] = response.json()
        return response

    def _filled(self, text: str) -> str:
        return re.sub(r"{{(.*?)}}", lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        if name.startswith("$dotenv "):
            return self._variables[name.removeprefix("$dotenv ")]
        if found := re.fullmatch(r"(\w+)\.response\.body\.\$\.(\w+)", name):
            return str(self._responses[found[1]][found[2]])
        return self._values[name]


async def test_every_request_of_the_collection_succeeds_and_every_route_has_one(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    client = RestClient(http, serve.environment(stack))
    routes = {
        name: (each.method, re.compile("/api" + re.sub(r"\{\w+\}", "[^/]+", each.path)))
        for name, each in operations().items()
    }
    sent: set[str] = set()
    # A line of `###` and a title begins a request.
    for request in re.split(r"^###.*$", REQUESTS.read_text("utf-8"), flags=re.MULTILINE):
        response = await client.send(request)
        if response is not None:
            assert response.is_success, (request, response.text)
            sent |= {
                name
                for name, (method, path) in routes.items()
                if response.request.method == method and path.fullmatch(response.request.url.path)
            }
    assert sent == routes.keys()

"""What the documents tell to run, run: on the local stack, as they say, with the answers that they show."""

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
    """The exit code and the output of a command in the checkout."""
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
async def test_a_block_that_is_marked_runs(stack: LocalStack, block: Block) -> None:
    code, output = await run("sh", "-eu", "-c", block.text, variables=serve.environment(stack))
    assert code == 0, output


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
async def test_a_block_that_fails_would_be_seen(stack: LocalStack) -> None:
    variables = serve.environment(stack)
    assert (await run("sh", "-eu", "-c", 'curl -sf "$KEYWIRE_URL/api/health"\ntrue', variables=variables))[0]
    assert (await run("sh", "-eu", "-c", 'echo "$KEYWIRE_NAME"', variables=variables))[0]
    assert len(TO_RUN) > 1


def shown(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it shows of their output."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, said) for command, _, said in (part.partition("\n") for part in parts)]


INTERESTS = [
    pytest.param(command.split()[2:], said, id=f"{block}-{command}")
    for block in BLOCKS
    if block.info == "console"
    for command, said in shown(block)
    if command.startswith("python3 dev.py interests")
    and all((PROJECT / word).exists() for word in command.split() if word.endswith(".json"))
]


@pytest.mark.parametrize(("arguments", "said"), INTERESTS)
async def test_interests_say_what_is_shown(arguments: list[str], said: str) -> None:
    code, output = await run(sys.executable, "dev.py", *arguments)
    assert (code, output) == (0, said)


def test_an_example_with_interests_is_run() -> None:
    assert INTERESTS


async def test_schemas_are_written_as_they_are_checked_in() -> None:
    files = [openapi.FILE, *schemas.SCHEMAS.rglob("*.json")]
    before = [file.read_bytes() for file in files]
    code, output = await run(sys.executable, "dev.py", "schemas")
    assert (code, output) == (0, "")
    assert [file.read_bytes() for file in files] == before


class RestClient:
    """Sends the requests of a `.http` file in their order, as the REST Client of VS Code does.

    Args:
        variables: What `$dotenv` finds.
    """

    def __init__(self, http: httpx.AsyncClient, variables: Mapping[str, str]) -> None:
        self._http = http
        self._variables = variables
        self._values: dict[str, str] = {}
        self._answers: dict[str, Any] = {}

    async def send(self, request: str) -> httpx.Response | None:
        """Send one request; None where there are only variables."""
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
        answer = await self._http.request(method, url, headers=headers, content=body)
        name = re.search(r"^# @name (\w+)$", request, re.MULTILINE)
        if name:
            self._answers[name[1]] = answer.json()
        return answer

    def _filled(self, text: str) -> str:
        return re.sub(r"{{(.*?)}}", lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        if name.startswith("$dotenv "):
            return self._variables[name.removeprefix("$dotenv ")]
        if found := re.fullmatch(r"(\w+)\.response\.body\.\$\.(\w+)", name):
            return str(self._answers[found[1]][found[2]])
        return self._values[name]


async def test_every_request_of_the_collection_gets_an_answer(
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
        answer = await client.send(request)
        if answer is not None:
            assert answer.is_success, (request, answer.text)
            asked = answer.request
            sent |= {
                name
                for name, (method, path) in routes.items()
                if asked.method == method and path.fullmatch(asked.url.path)
            }
    assert sent == routes.keys()

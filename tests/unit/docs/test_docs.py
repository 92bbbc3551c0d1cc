"""The documents: what they link to, name and tell to run is there, or at least of a form that there is."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bench.__main__ import NAMES as BENCHMARKS
from emulators.framework.checkout import PROJECT
from tests.support import documentation
from tests.support.documentation import Page, commands, dev, options
from tests.support.openapi_document import DOCUMENT

PAGES = documentation.pages()
DEV = dev()
# Hosts of package registries; an installation asks the one that it is set up for.
REGISTRY = re.compile(r"\b(pypi|pythonhosted|npmjs|nuget|crates|rubygems)\.(org|com|io)\b", re.IGNORECASE)
PLACEHOLDER = re.compile(r"[{}<>*…$]")
FILE = re.compile(r"[\w.-]+(/[\w.-]+)*\.(bicep|http|json|md|py|toml|txt|ya?ml)")

# What `az` and `azd` are told here, with the options of each; look one up before it is added:
# https://learn.microsoft.com/cli/azure/reference-index, https://learn.microsoft.com/azure/developer/azure-developer-cli/reference
_COMMON = {"--query", "--output", "--subscription"}
_NAMED = _COMMON | {"--resource-group", "--name"}
AZ = {
    "account get-access-token": _COMMON | {"--resource"},
    "ad signed-in-user show": _COMMON,
    "eventgrid event-subscription create": _COMMON
    | {"--name", "--source-resource-id", "--endpoint", "--endpoint-type", "--event-delivery-schema"}
    | {"--included-event-types", "--subject-begins-with", "--subject-ends-with", "--deadletter-endpoint"},
    "functionapp config appsettings list": _NAMED,
    "functionapp config appsettings set": _NAMED | {"--settings"},
    "functionapp function keys delete": _NAMED | {"--function-name", "--key-name"},
    "functionapp function keys list": _NAMED | {"--function-name"},
    "functionapp function keys set": _NAMED | {"--function-name", "--key-name", "--key-value"},
    "functionapp function list": _NAMED,
    "functionapp keys list": _NAMED,
    "functionapp restart": _NAMED,
    "keyvault secret set": _COMMON | {"--vault-name", "--name", "--file", "--value"},
    "keyvault secret show": _COMMON | {"--vault-name", "--name"},
    "login": _COMMON,
    "monitor app-insights query": _COMMON | {"--resource-group", "--apps", "--analytics-query", "--offset"},
    "provider register": _COMMON | {"--namespace", "--wait"},
    "role assignment create": _COMMON
    | {"--role", "--scope", "--assignee", "--assignee-object-id", "--assignee-principal-type"},
    "role definition create": _COMMON | {"--role-definition"},
    "storage message delete": _COMMON
    | {"--account-name", "--auth-mode", "--queue-name", "--id", "--pop-receipt"},
    "storage message peek": _COMMON | {"--account-name", "--auth-mode", "--queue-name", "--num-messages"},
}
_EVERYWHERE = {"--environment", "--no-prompt"}
AZD = {
    "auth login": _EVERYWHERE | {"--use-device-code", "--tenant-id"},
    "deploy": _EVERYWHERE,
    "down": _EVERYWHERE | {"--purge", "--force"},
    "env get-value": _EVERYWHERE,
    "env get-values": _EVERYWHERE,
    "env new": _EVERYWHERE | {"--location", "--subscription"},
    "env set": _EVERYWHERE,
    "pipeline config": _EVERYWHERE | {"--provider", "--principal-name"},
    "provision": _EVERYWHERE | {"--preview"},
    "up": _EVERYWHERE,
}


def ids(pages: list[Page]) -> list[str]:
    return [page.name for page in pages]


def problem_of(link: str, page: Page) -> str | None:
    """What is wrong with a link, or None."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        well = re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc) and not re.search(r"\s", link)
        return None if parts.scheme == "https" and well else "is no https address"
    target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    if not target.exists() or not target.is_relative_to(PROJECT):
        return "leads nowhere"
    if parts.fragment and target.suffix == ".md" and parts.fragment not in documentation.read(target).anchors:
        return "names no heading"
    return None


def problem_of_call(words: list[str], table: dict[str, set[str]]) -> str | None:
    """What is wrong with a call of `az` or `azd`, or None."""
    leading = " ".join(words[: next((n for n, word in enumerate(words) if not _WORD.fullmatch(word)), None)])
    known = [name for name in table if f"{leading} ".startswith(f"{name} ")]
    if not known:
        return f"{leading!r} is not in the table of known commands"
    allowed = table[max(known, key=len)]
    strange = [word for word in words if word.startswith("--") and word.partition("=")[0] not in allowed]
    return f"{leading!r} has no {strange[0]}" if strange else None


_WORD = re.compile(r"[a-z][a-z0-9-]*")


def problem_of_dev(words: list[str]) -> str | None:
    """What is wrong with a call of `dev.py`, or None."""
    if not words or words[0] in {"--help", "…"} or PLACEHOLDER.search(words[0]):
        return None
    command, *rest = words
    if command not in DEV.COMMANDS:
        return f"there is no command {command}"
    module, _ = DEV.COMMANDS[command]
    if command == "bench":
        names = [word for word in rest if re.fullmatch(r"[a-z_]+", word)]
        return next((f"there is no benchmark {name}" for name in names if name not in BENCHMARKS), None)
    if not module or module == ("pytest",):
        return None
    known = options(*module)
    strange = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{command} has no {strange[0]}" if strange else None


def texts(page: Page) -> list[str]:
    """Where commands stand."""
    return [*page.code, *(block.text for block in page.blocks if block.info not in {"json", "kusto"})]


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_links_lead_somewhere(page: Page) -> None:
    wrong = {link: problem for link in page.links if (problem := problem_of(link, page))}
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_files_that_are_named_are_there(page: Page) -> None:
    # A name in a folder that the project has none of is a blob, or another's file.
    ours = {path.name for path in PROJECT.iterdir()}
    named = [text for text in page.code if FILE.fullmatch(text) and text.partition("/")[0] in ours]
    assert [name for name in named if not (PROJECT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_commands_of_dev_py_are_there(page: Page) -> None:
    calls = [call for text in texts(page) for call in commands(text, "dev.py")]
    assert [(call, problem) for call in calls if (problem := problem_of_dev(call))] == []


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_commands_of_azure_have_a_known_form(page: Page) -> None:
    wrong = [
        problem
        for program, table in (("az", AZ), ("azd", AZD))
        for text in texts(page)
        for call in commands(text, program)
        if call and (problem := problem_of_call(call, table))
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_no_page_names_a_package_registry(page: Page) -> None:
    assert REGISTRY.findall(page.path.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_json_is_json(page: Page) -> None:
    for block in page.blocks:
        if block.info == "json" and not PLACEHOLDER.search(re.sub(r"[{}]", "", block.text)):
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_block_that_is_to_run_is_marked_as_the_test_that_runs_it_knows(page: Page) -> None:
    infos = {block.info for block in page.blocks if len(block.info.split()) > 1}
    assert infos <= {"sh run"}


def test_dev_py_tells_of_its_commands_and_no_other() -> None:
    told = [call[0] for call in commands(DEV.__doc__ or "", "dev.py")]
    assert told == list(DEV.COMMANDS)


@pytest.mark.parametrize(
    "path",
    [
        *(PROJECT / ".github" / "workflows").glob("*.yml"),
        *(PROJECT / "infra" / "hooks").glob("*.py"),
        *(PROJECT / ".vscode").glob("*.json"),
        *(
            PROJECT / name
            for name in ("azure.yaml", ".devcontainer/devcontainer.json", "tests/requests.http")
        ),
    ],
    ids=lambda path: path.relative_to(PROJECT).as_posix(),
)
def test_commands_in_other_files_are_there_too(path: Path) -> None:
    text = re.sub(r'["`]', "\n", path.read_text("utf-8"))
    assert [(call, said) for call in commands(text, "dev.py") if (said := problem_of_dev(call))] == []
    assert REGISTRY.findall(text) == []


def test_versions_agree() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changes = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == project == DOCUMENT["info"]["version"]


PAGE = documentation.read(
    PROJECT / "docs" / "page.md",
    "# A page, with `code`\n\n## Twice\n\n## Twice\n\n[x](consume.md) ![y](z.png)\n\n"
    "```sh run\npython3 dev.py stack\n```\n",
)


def test_a_page_is_read_as_github_shows_it() -> None:
    assert PAGE.anchors == {"a-page-with-code", "twice", "twice-1"}
    assert PAGE.links == ("consume.md", "z.png")
    assert PAGE.code == ("code",)
    assert [(block.info, block.line, block.text) for block in PAGE.blocks] == [
        ("sh run", 9, "python3 dev.py stack\n")
    ]


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("consume.md#the-events", None),
        ("../README.md", None),
        ("https://learn.microsoft.com/azure", None),
        ("consume.md#no-such-heading", "names no heading"),
        ("#no-such-heading", "names no heading"),
        ("gone.md", "leads nowhere"),
        ("../../secret.md", "leads nowhere"),
        ("http://learn.microsoft.com/", "is no https address"),
        ("https://learn microsoft.com/", "is no https address"),
        ("https://somebody:secret@example.com/", "is no https address"),
        ("https://localhost/", "is no https address"),
    ],
)
def test_a_link_that_is_wrong_is_named(link: str, problem: str | None) -> None:
    page = documentation.read(PROJECT / "docs" / "consume.md")
    assert problem_of(link, page) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("python3 dev.py interests check x.json", None),
        ("python3 dev.py test -k anything --durations=3", None),
        ("$ python3 dev.py demo --serve  # for a look", None),
        ("python3 dev.py explode", "there is no command explode"),
        ("cd x && python3 dev.py demo --loud", "demo has no --loud"),
        ("python3 dev.py bench nothing", "there is no benchmark nothing"),
    ],
)
def test_a_command_of_dev_py_that_is_wrong_is_named(text: str, problem: str | None) -> None:
    (call,) = commands(text, "dev.py")
    assert problem_of_dev(call) == problem


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('K=$(az functionapp keys list --name "$(azd env get-value A)" \\\n  --query x)', [None]),
        ("azd up && az login", [None]),
        (
            "az functionapp key list --name x",
            ["'functionapp key list' is not in the table of known commands"],
        ),
        ("az functionapp keys list --nam x", ["'functionapp keys list' has no --nam"]),
        ("az storage message", ["'storage message' is not in the table of known commands"]),
    ],
)
def test_a_command_of_azure_that_is_wrong_is_named(text: str, problems: list[Any]) -> None:
    assert [problem_of_call(call, AZ) for call in commands(text, "az")] == problems

"""The documents, and other files with commands: files, commands and arguments that they name are valid."""

import contextlib
import io
import json
import re
import tomllib
from pathlib import Path

import pytest

import dev
from emulators.framework.checkout import PROJECT
from tests.support import documentation
from tests.support.commands import parser_of
from tests.support.documentation import Page, dev_calls
from tests.support.openapi_document import DOCUMENT

# Hosts of package registries: users install from the registry that is configured on their machine.
REGISTRY = re.compile(r"\b(pypi|pythonhosted|npmjs|nuget|crates|rubygems)\.(org|com|io)\b", re.IGNORECASE)
PLACEHOLDER = re.compile(r"[{}<>*…$\[]")
FILE = re.compile(r"[\w.-]+(/[\w.-]+)*\.(bicep|http|json|md|py|toml|txt|ya?ml)")

every_page = pytest.mark.parametrize("page", documentation.pages(), ids=str)


def problem_of(call: list[str]) -> str | None:
    """Return why `dev.py` would refuse a call, or None; after a placeholder the arguments can't be known."""
    if not call or call == ["--help"] or PLACEHOLDER.search(call[0]):
        return None
    name, *arguments = call
    if name not in dev.COMMANDS:
        return f"there is no command {name}"
    module = dev.COMMANDS[name].module
    if module == "pytest" or any(map(PLACEHOLDER.search, arguments)):
        return None
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            (dev.own_parser(name) if module is None else parser_of(module)).parse_args(arguments)
    except SystemExit:
        return errors.getvalue().splitlines()[-1]
    return None


def problems(text: str) -> list[tuple[list[str], str]]:
    return [(call, problem) for call in dev_calls(text) if (problem := problem_of(call))]


@every_page
def test_files_that_a_page_names_exist(page: Page) -> None:
    # A path whose first folder is not in the project is a blob's, or another project's.
    ours = {path.name for path in PROJECT.iterdir()}
    named = [text for text in page.code if FILE.fullmatch(text) and text.partition("/")[0] in ours]
    assert [name for name in named if not (PROJECT / name).exists()] == []


@every_page
def test_commands_on_a_page_are_valid(page: Page) -> None:
    texts = [*page.code, *(block.text for block in page.blocks if block.info not in {"json", "kusto"})]
    assert [problem for text in texts for problem in problems(text)] == []


@every_page
def test_a_page_names_no_package_registry(page: Page) -> None:
    assert REGISTRY.findall(page.path.read_text("utf-8")) == []


@every_page
def test_json_blocks_are_json(page: Page) -> None:
    for block in page.blocks:
        if block.info == "json" and not re.search(r"[<>*…$]", block.text):
            json.loads(block.text)


@every_page
def test_the_only_marker_of_blocks_is_run(page: Page) -> None:
    # `sh run`: tests/integration/test_docs_commands.py runs the block.
    assert {block.info for block in page.blocks if len(block.info.split()) > 1} <= {"sh run"}


@pytest.mark.parametrize(
    "path",
    [
        *(PROJECT / ".github" / "workflows").glob("*.yml"),
        *(PROJECT / "infra" / "hooks").glob("*.py"),
        *(PROJECT / ".vscode").glob("*.json"),
        *(
            PROJECT / name
            for name in ("azure.yaml", ".ci/run", ".devcontainer/devcontainer.json", "tests/requests.http")
        ),
    ],
    ids=lambda path: path.relative_to(PROJECT).as_posix(),
)
def test_commands_in_other_files_are_valid(path: Path) -> None:
    text = re.sub(r'["`]', "\n", path.read_text("utf-8"))
    assert problems(text) == []
    assert REGISTRY.findall(text) == []


def test_versions_are_equal() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changes = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == project == DOCUMENT["info"]["version"]


def test_a_page_has_its_inline_code_and_its_blocks() -> None:
    page = documentation.read(
        PROJECT / "docs" / "page.md", "# Page\n\nSome `code`.\n\n```sh run\npython3 dev.py stack\n```\n"
    )
    assert page.code == ("code",)
    assert [(block.info, block.line, block.text) for block in page.blocks] == [
        ("sh run", 5, "python3 dev.py stack\n")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "python3 dev.py interests check x.json",
        "python3 dev.py interests …",
        "python3 dev.py test -k anything --durations=3",
        "$ python3 dev.py demo --serve  # for a look",
        "for seed in 1 2; do python3 dev.py chaos --seed $seed --json chaos-$seed.json; done",
    ],
)
def test_a_valid_command_has_no_problem(text: str) -> None:
    assert len(list(dev_calls(text))) == 1
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("python3 dev.py explode", "there is no command explode"),
        ("cd x && python3 dev.py demo --loud", "unrecognized arguments: --loud"),
        ("python3 dev.py setup --loud", "unrecognized arguments: --loud"),
        ("python3 dev.py bench nothing", "there is no benchmark nothing"),
        ("X=$(python3 dev.py stack \\\n  --nothing)", "unrecognized arguments: --nothing"),
    ],
)
def test_an_invalid_command_is_found(text: str, problem: str) -> None:
    ((_, found),) = problems(text)
    assert problem in found

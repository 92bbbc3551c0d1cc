"""`.vscode`, `.devcontainer`, and the example of settings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulators.framework.checkout import PROJECT
from keywire.settings import Settings
from tests.support.commands import parser_of


def read(name: str) -> Any:
    return json.loads((PROJECT / name).read_text("utf-8"))


class Recording(Mapping[str, str]):
    """An environment that records the names it is asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_a_launch_starts_a_command_with_valid_arguments() -> None:
    tasks = {task["label"] for task in read(".vscode/tasks.json")["tasks"]}
    launches = [each for each in read(".vscode/launch.json")["configurations"] if "module" in each]
    assert {launch["module"] for launch in launches} == {"local.serve", "local.demo", "pytest"}
    for launch in launches:
        assert launch["preLaunchTask"] in tasks
        if launch["module"] != "pytest":
            parser_of(launch["module"]).parse_args(launch.get("args", []))


def test_tests_are_debugged_in_one_process(pytestconfig: pytest.Config) -> None:
    (launch,) = [
        each for each in read(".vscode/launch.json")["configurations"] if each.get("module") == "pytest"
    ]
    words = [*launch["args"], *pytestconfig.getini("addopts")]
    assert not [word for word in words if word.startswith(("-n", "--numprocesses"))]


def test_a_task_does_the_same_on_windows() -> None:
    for task in read(".vscode/tasks.json")["tasks"]:
        assert task["windows"]["command"] == task["command"].replace("python3", "py")


def test_the_container_has_the_recommended_extensions() -> None:
    recommended = read(".vscode/extensions.json")["recommendations"]
    assert read(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"] == recommended
    assert recommended == sorted(recommended)


def test_schemas_that_the_editor_uses_exist() -> None:
    for each in read(".vscode/settings.json")["json.schemas"]:
        assert (PROJECT / each["url"]).exists()


def test_the_example_of_settings_is_valid_and_has_only_settings_that_are_read() -> None:
    example = read("local.settings.json.example")
    values = Recording(example["Values"])
    settings = Settings.from_environment(values)
    assert settings.storage.connection_string is None
    assert not settings.identity.managed  # the developer, by `az login`
    hosts = {name for name in values if name.startswith(("FUNCTIONS_", "AzureWebJobsStorage__"))}
    assert set(values) - hosts <= values.names


@pytest.mark.parametrize(
    "name", ["local.settings.json", "tests/.env", ".venv/", ".python/", "node_modules/", ".stack/"]
)
def test_git_ignores_files_with_keys_and_files_that_commands_make(name: str) -> None:
    ignored = (PROJECT / ".gitignore").read_text("utf-8").splitlines()
    assert {name, Path(name).name, f"{Path(name).name}/"} & set(ignored)

"""What an editor and a new checkout find: `.vscode`, `.devcontainer`, and the example of settings."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulators.framework.checkout import PROJECT
from keywire.settings import Settings
from tests.support.documentation import options


def read(name: str) -> Any:
    return json.loads((PROJECT / name).read_text("utf-8"))


class Asked(Mapping[str, str]):
    """An environment that remembers which names it was asked for."""

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


def test_launches_start_what_there_is() -> None:
    tasks = {task["label"] for task in read(".vscode/tasks.json")["tasks"]}
    launches = [each for each in read(".vscode/launch.json")["configurations"] if "module" in each]
    assert launches
    for launch in launches:
        assert importlib.util.find_spec(launch["module"]) is not None
        assert launch["preLaunchTask"] in tasks
        if launch["module"].startswith("local."):
            given = {word for word in launch.get("args", ()) if word.startswith("-")}
            assert given <= options(launch["module"])


def test_a_task_does_the_same_on_windows() -> None:
    for task in read(".vscode/tasks.json")["tasks"]:
        assert task["windows"]["command"] == task["command"].replace("python3", "py")


def test_a_container_has_the_extensions_that_are_recommended() -> None:
    recommended = read(".vscode/extensions.json")["recommendations"]
    assert read(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"] == recommended
    assert recommended == sorted(recommended)


def test_schemas_that_the_editor_uses_are_there() -> None:
    for each in read(".vscode/settings.json")["json.schemas"]:
        assert (PROJECT / each["url"]).exists()


def test_the_example_of_settings_is_good_and_knows_no_other() -> None:
    example = read("local.settings.json.example")
    values = Asked(example["Values"])
    settings = Settings.from_environment(values)
    assert settings.storage.connection_string is None
    assert not settings.identity.managed  # whoever runs it, by `az login`
    hosts = {name for name in values if name.startswith(("FUNCTIONS_", "AzureWebJobsStorage__"))}
    assert set(values) - hosts <= values.names


@pytest.mark.parametrize("name", ["local.settings.json", "tests/.env", ".venv/", "node_modules/", ".stack/"])
def test_what_holds_a_key_or_is_made_here_is_ignored(name: str) -> None:
    ignored = (PROJECT / ".gitignore").read_text("utf-8").splitlines()
    assert {name, Path(name).name, f"{Path(name).name}/"} & set(ignored)

"""docs/architecture.md names every function, queue, container, control blob and package."""

import re

from emulators.framework.checkout import PROJECT
from keywire.storage import layout
from keywire.storage.layout import ALL_QUEUES

PAGE = (PROJECT / "docs" / "architecture.md").read_text("utf-8")


def test_every_function_is_in_the_table_of_groups() -> None:
    table = PAGE.partition("| group | functions |")[2].partition("\n\n")[0]
    documented = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line)}
    sources = [path.read_text("utf-8") for path in (PROJECT / "handlers").glob("*.py")]
    named = {name for text in sources for name in re.findall(r'function_name\("(\w+)"\)', text)}
    assert documented - {"VIDEO_INDEXER_LOG_EVENT_HUB"} == named


def test_every_queue_and_container_is_named() -> None:
    for queue in ALL_QUEUES:
        base = queue.removesuffix("-poison")
        assert f"`{base}`" in PAGE or f"`{queue}`" in PAGE
    for name, value in vars(layout).items():
        if name.endswith("_CONTAINER"):
            assert f"`{value}/" in PAGE, name


def test_every_blob_in_control_is_in_the_table() -> None:
    notes = [value for name, value in vars(layout).items() if name.endswith("_BLOB")]
    notes += [
        f"{layout.LAST_SIGNALS_FOLDER}/{{signal}}.json",
        "replays/{date}/{operationId}.json",
        "backfill/{operationId}/",
        "rematch/{operationId}/",
    ]
    table = PAGE.partition("| note | what |")[2].partition("\n\n")[0]
    documented = [
        name for line in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    assert sorted(documented) == sorted(notes)


def test_every_package_is_in_the_table_with_existing_modules() -> None:
    table = PAGE.partition("Inside `keywire/`")[2].partition("## Processes")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    packages = [row[1].strip(" `/") for row in rows]
    assert sorted(packages) == sorted(
        path.parent.name for path in (PROJECT / "keywire").glob("*/__init__.py")
    )
    for package, row in zip(packages, rows, strict=True):
        for name in re.findall(r"`(\w+)`", row[2] + row[3]):
            assert (PROJECT / "keywire" / package / f"{name}.py").exists(), (package, name)

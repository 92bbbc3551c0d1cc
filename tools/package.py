"""The folder that is deployed, `.package`: the app, and its packages as wheels for Azure.

Keywire does not use Azure's own build: it has built with another Python than the app runs on
(Azure/azure-dev#8538), and it picks versions on the day of the deployment. Here `requirements.txt` pins them
by hash, and the build fails if a package has no wheel for Flex Consumption's Linux. It uses uv because pip
evaluates the requirements' markers for the machine that it runs on, which may be a Mac.

azd runs this before it packages (azure.yaml), and uploads the folder as it is.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emulators.framework.checkout import PROJECT

PACKAGE: Final = PROJECT / ".package"
# What the app needs to run; tests, docs and the local stack are not deployed.
APP: Final = ("function_app.py", "host.json", "requirements.txt", "handlers", "keywire")
# Where the Python worker looks for an app's packages.
SITE_PACKAGES: Final = Path(".python_packages") / "lib" / "site-packages"
# Azure runs on x86-64, with a glibc newer than that of 2014.
_INSTALL: Final = (
    *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"),
    *("--python-platform", "x86_64-manylinux2014", "--python-version", "3.13"),
)


class PackageError(Exception):
    """uv could not install a package; it printed why."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return argparse.ArgumentParser(
        prog="dev.py package",
        description=f"Build {PACKAGE.name}/: the app and its packages, as azd uploads them.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the folder and print its size; return 1 if a package can't be installed."""
    parser().parse_args(arguments)
    try:
        build(PACKAGE)
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file())
    packages = len(list((PACKAGE / SITE_PACKAGES).glob("*.dist-info")))
    print(f"{PACKAGE.name}/ has the app and {packages} packages, {size / 1e6:.0f} MB")
    return 0


def build(folder: Path) -> None:
    """Make `folder` contain what is deployed, and nothing else.

    Raises:
        PackageError: A package is not available, or has no wheel for Azure.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in APP:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    target = ("--target", str(folder / SITE_PACKAGES), "--requirement", "requirements.txt")
    if subprocess.call([*_INSTALL, *target], cwd=PROJECT) != 0:
        raise PackageError(
            "uv could not install requirements.txt (see above). uv does not read pip's configuration: "
            "if your package index is set there, set UV_DEFAULT_INDEX too."
        )


if __name__ == "__main__":
    sys.exit(main())
